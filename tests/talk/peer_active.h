/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps of a scripted server in active mode. */
#ifndef TALK_PEER_ACTIVE_H
#define TALK_PEER_ACTIVE_H

#include "peer.h"

/* Puts the whole test into a network where no port is taken, port 20 neither. False: needs
 * root. */
bool peer_own_network(void);

/* Takes "EPRT |1|HOST|port|" or "PORT 127,0,0,1,p,p" and returns the port; says nothing. */
uint16_t peer_eprt(struct session *c, const char *host);
uint16_t peer_port_command(struct session *c);
/* A socket from host:from (0: any port) to the client's listener, or -1. */
int peer_knock(const char *host, uint16_t from, uint16_t port);
void peer_data_connect(struct session *c, uint16_t from, uint16_t port);
/* RETR of TALK_TEXT behind EPRT or PORT; EPRT and that. */
void peer_sends_to(struct session *c, uint16_t port);
void peer_serves_eprt(struct session *c);

#endif
