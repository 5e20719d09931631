/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A link with delay, rate and loss between two network namespaces, for kernels
 * without netem.
 *
 *   netlag NS_A ADDRESS_A NS_B ADDRESS_B RTT_MS MBIT LOSS_PERCENT
 *
 * Makes the TUN device "lag0" in both namespaces, which must exist, with these
 * addresses (IPv4, /24), says "up" and carries packets between them: each waits its
 * turn at the rate (0: none) and is held back by half the round trip. A second's
 * worth of queue is kept, what comes beyond is dropped. Ends with its parent.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000u

/* A power of two, and a second at 1 Gbit/s in packets of 1500 bytes fits in. */
enum { FRAME_MAX = 66 * 1024, QUEUE = 128 * 1024, BURST = 64 };

struct line {
	uint64_t delay; /* ns, one way */
	double per_byte; /* ns */
	double loss; /* 0 to 1 */
};

struct frame {
	uint64_t due;
	size_t len;
	uint8_t *data;
};

/* One direction: what was read and is not yet due. */
struct way {
	int from, to;
	uint64_t free_at; /* when the line has sent all that is queued */
	unsigned head, tail;
	struct frame ring[QUEUE];
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* Large frames of many segments are carried whole, unless some are to be lost: then each
 * segment has to be a packet of its own. */
static int device_open(const char *ns, const char *address, bool whole)
{
	char text[256];
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int there, fd;

	snprintf(text, sizeof(text), "/run/netns/%s", ns);
	there = open(text, O_RDONLY | O_CLOEXEC);
	if (there < 0 || setns(there, CLONE_NEWNET) != 0) {
		err(1, "%s", text);
	}
	close(there);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	strcpy(r.ifr_name, "lag0");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) != 0) {
		err(1, "/dev/net/tun");
	}
	if (whole && ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) != 0) {
		err(1, "TUNSETOFFLOAD");
	}
	snprintf(text, sizeof(text),
		 "ip addr add %s/24 dev lag0 && ip link set lag0 up txqueuelen 10000",
		 address);
	if (system(text) != 0) {
		errx(1, "failed: %s", text);
	}
	return fd;
}

static void way_queue(struct way *w, const struct line *line, const uint8_t *data,
		      size_t len)
{
	uint64_t t = now(), start = w->free_at > t ? w->free_at : t;
	struct frame *f = &w->ring[w->head % QUEUE];

	if (drand48() < line->loss || start - t > SECOND || w->head - w->tail == QUEUE) {
		return;
	}
	w->free_at = start + (uint64_t)((double)len * line->per_byte);
	*f = (struct frame){ w->free_at + line->delay, len, malloc(len) };
	if (!f->data) {
		err(1, "malloc");
	}
	memcpy(f->data, data, len);
	w->head++;
}

static void way_read(struct way *w, const struct line *line)
{
	uint8_t data[FRAME_MAX];
	ssize_t n;

	for (int i = 0; i < BURST; i++) {
		n = read(w->from, data, sizeof(data));
		if (n <= 0) {
			if (n < 0 && errno != EAGAIN && errno != EINTR) {
				err(1, "read");
			}
			return;
		}
		way_queue(w, line, data, (size_t)n);
	}
}

/* Delivers what is due; returns the ns until the next frame is, or SECOND. */
static uint64_t way_write(struct way *w)
{
	uint64_t t = now();

	while (w->tail != w->head) {
		struct frame *f = &w->ring[w->tail % QUEUE];

		if (f->due > t) {
			return f->due - t;
		}
		/* EIO: the device is down; the frame is lost as on a line that is cut */
		if (write(w->to, f->data, f->len) < 0 && errno != EIO) {
			warn("write");
		}
		free(f->data);
		w->tail++;
	}
	return SECOND;
}

static void carry(struct way *ways, const struct line *line)
{
	struct pollfd fds[2] = { { .fd = ways[0].from, .events = POLLIN },
				 { .fd = ways[1].from, .events = POLLIN } };
	uint64_t wait, other;
	struct timespec t;

	for (;;) {
		wait = way_write(&ways[0]);
		other = way_write(&ways[1]);
		wait = other < wait ? other : wait;
		t = (struct timespec){ .tv_sec = wait / SECOND,
				       .tv_nsec = wait % SECOND };
		if (ppoll(fds, 2, &t, NULL) < 0 && errno != EINTR) {
			err(1, "ppoll");
		}
		way_read(&ways[0], line);
		way_read(&ways[1], line);
	}
}

int main(int argc, char **argv)
{
	static struct way ways[2];
	struct line line;
	double mbit;
	int a, b;

	if (argc != 8) {
		errx(2, "usage: netlag NS_A ADDRESS_A NS_B ADDRESS_B RTT_MS MBIT "
			"LOSS_PERCENT");
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_TIMERSLACK, 1);
	mbit = atof(argv[6]);
	line = (struct line){ (uint64_t)(atof(argv[5]) / 2 * 1e6),
			      mbit > 0 ? 8000.0 / mbit : 0, atof(argv[7]) / 100 };
	a = device_open(argv[1], argv[2], line.loss <= 0);
	b = device_open(argv[3], argv[4], line.loss <= 0);
	ways[0] = (struct way){ .from = a, .to = b };
	ways[1] = (struct way){ .from = b, .to = a };
	/* late packets would be counted as round trips */
	if (sched_setscheduler(0, SCHED_RR, &(struct sched_param){ 1 }) != 0) {
		warn("no real-time priority: delays are less exact");
	}
	puts("up");
	fflush(stdout);
	carry(ways, &line);
}
