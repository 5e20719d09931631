/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/probe_private.h"

#include <errno.h>
#include <string.h>

enum {
	REACH_MS = 1500, /* of each passive port that is only knocked at */
	LOST_MAX = 3,
	REACH_SILENT_MAX = 4, /* ports that may time out before we stop knocking */
};

void ask_features(struct probe *p, struct probe_session *s)
{
	_cleanup_reply_ struct reply reply = { 0 };
	char *to = p->report.features;
	const char *line;

	if (session_open(s, &p->wait, NULL) < 0 ||
	    control_command(s->control, &p->wait, "FEAT", NULL, &reply) < 0 ||
	    !reply_is(&reply, 2)) {
		return;
	}
	/* Lines between the first and the last, whatever stands in front of them. */
	for (line = strchr(reply.text, '\n'); line; line = strchr(line, '\n')) {
		char text[128];
		int len;

		line++;
		len = (int)strcspn(line, "\n");
		if (!line[len]) {
			break;
		}
		snprintf(text, sizeof(text), "%.*s", len, line);
		line += strncmp(text, "211-", 4) == 0 ? 4 : 0;
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\n"),
			 line + strspn(line, " "));
		text[strcspn(text, "\n")] = '\0';
		if (sizeof(p->report.features) - (size_t)(to - p->report.features) <
		    sizeof(text) + 2) {
			break;
		}
		reason_set(to, sizeof(text), text);
		to += strlen(to);
		*to++ = '\n';
		*to = '\0';
	}
}

/* A data connection that does not resume, once: is it refused? */
void ask_reuse(struct probe *p, struct probe_session *s, const struct lane *l)
{
	enum tristate was = s->server.session_reuse;

	for (enum way w = 0; w < WAYS; w++) {
		struct cell cell = { 0 };

		if (l->cells[w].verdict != VERDICT_OK || l->prot_clear) {
			continue;
		}
		probe_tell(p, "session reuse", "");
		s->server.session_reuse = TRI_NO;
		session_try(s, &p->wait, w, &cell);
		s->server.session_reuse = was;
		p->report.reuse = cell.verdict == VERDICT_OK ? VERDICT_OK : VERDICT_REUSE;
		reason_set(p->report.reuse_reason, sizeof(p->report.reuse_reason),
			   cell.reason);
		return;
	}
}

void ask_source(struct probe *p, struct probe_session *s, const struct lane *l,
		struct door *d)
{
	int64_t timeout = s->server.connect_timeout;
	bool was = s->server.active_source_default;
	enum way way = l->cells[WAY_EPRT].verdict == VERDICT_OK ? WAY_EPRT : WAY_PORT;
	struct cell cell = { 0 };
	const char *at;

	if (l->cells[way].verdict != VERDICT_OK) {
		return;
	}
	probe_tell(p, "active source port", "");
	s->server.active_source_default = true;
	s->server.connect_timeout = MIN(timeout, (int64_t)REACH_MS);
	session_try(s, &p->wait, way, &cell);
	s->server.active_source_default = was;
	s->server.connect_timeout = timeout;
	at = strstr(cell.reason, WRONG_SOURCE);
	if (cell.verdict == VERDICT_OK) {
		d->source = s->server.tls == TLS_IMPLICIT ? 989 : 20;
	} else if (at) {
		while (at > cell.reason && at[-1] >= '0' && at[-1] <= '9') {
			at--;
		}
		d->source = (unsigned)atoi(at);
	}
}

/* Twenty replies, and a knock at each port. A knock that fails in one go is enough to
 * tell; the replies are read all the same. */
void ask_ports(struct probe *p, struct probe_session *s, const struct lane *l)
{
	bool epsv = l->cells[WAY_EPSV].verdict != VERDICT_REFUSED;
	bool pasv = !s->ipv6 && l->cells[WAY_PASV].verdict != VERDICT_REFUSED;
	unsigned silent = 0, lost = 0;

	for (unsigned i = 0; i < OFFERS && lost < LOST_MAX && (epsv || pasv); i++) {
		_cleanup_reply_ struct reply refusal = { 0 };
		bool this_epsv = epsv && (i % 2 == 0 || !pasv);
		struct survey_offer offer = { 0 };
		int r = session_open(s, &p->wait, NULL);

		probe_tell(p, "passive ports", "");
		if (r == 0) {
			r = survey_passive(s->control, &p->wait, this_epsv,
					   silent < REACH_SILENT_MAX ? REACH_MS : 0,
					   &offer, &refusal);
		}
		if (r == -EINTR) {
			return;
		}
		if (r != 0) {
			lost++;
			continue;
		}
		silent += offer.connected == -ETIMEDOUT;
		probe_note_port(p, offer.port, offer.connected);
		probe_note_advertised(p, offer.advertised);
	}
}
