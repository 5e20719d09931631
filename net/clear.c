/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The login's last step, where it is wanted: back to clear text (CCC). */
#include "net/login_private.h"

#include <errno.h>

/* Linux's nf_conntrack_ftp, and NAT by it, reads commands only from the start of a line, and
 * knows of one only behind a line that ended in clear: without this it misses the first PASV
 * or EPRT. */
static int first_clear_line(struct control *c, const struct wait *w, struct words *words)
{
	_cleanup_reply_ struct reply reply = { 0 };
	int r = control_command(c, w, "NOOP", NULL, &reply);

	return r < 0 ? login_closed(control_server(c), r, "after CCC", words) : 0;
}

int login_clear(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	struct host *h = control_host(c);
	_cleanup_reply_ struct reply reply = { 0 };
	int r;

	if (s->ccc == CCC_NO || s->tls == TLS_NONE || h->ccc_refused) {
		return 0;
	}
	r = control_command(c, w, "CCC", NULL, &reply);
	if (r < 0) {
		return login_closed(s, r, "after CCC", words);
	}
	if (reply_is(&reply, 2)) {
		r = control_stop_tls(c, w, words);
		if (r == 0) {
			r = first_clear_line(c, w, words);
		}
		return r;
	}
	if (s->ccc == CCC_REQUIRE) {
		words_set(words,
			  "%s refuses to clear the control channel (CCC: %d %s): the "
			  "server must allow it, or drop ccc=require",
			  s->host, reply.code, reply_words(&reply));
		return -EPROTONOSUPPORT;
	}
	h->ccc_refused = true;
	hook_printf(s->hook, LEVEL_WARN,
		    "%s refuses to clear the control channel (CCC: %d %s): it stays "
		    "encrypted, and a firewall that wants to read it cannot",
		    s->host, reply.code, reply_words(&reply));
	return 0;
}
