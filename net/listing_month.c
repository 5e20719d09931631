/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Months as `ls` abbreviates them in the locales that servers run in. */
#include "net/listing_token.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* A row a month, words between blanks, in UTF-8 with a few in Latin-1. A word that means two
 * months must not be here: "lis" is November in Polish and October in Croatian, "srp" July or
 * August, "lip" June or July, "jui" June or July. */
static const char *const months[] = {
	"jan january ene gen ian janv janvier jaan sty led sij tammi oca "
	"\xd1\x8f\xd0\xbd\xd0\xb2 \xd0\xaf\xd0\xbd\xd0\xb2 \xd1\x81\xd1\x96\xd1\x87",
	"feb february fev febr veebr lut velj helmi "
	"f\xc3\xa9v f\xc3\xa9vr f\xe9v f\xe9vr \xc3\xbano \xc5\x9eub \xc5\x9fub "
	"\xd1\x84\xd0\xb5\xd0\xb2 \xd0\xa4\xd0\xb5\xd0\xb2 \xd0\xbb\xd1\x8e\xd1\x82",
	"mar march mars mrz mrt marts maalis "
	"m\xc3\xa4r m\xc3\xa4rz m\xe4r m\xe4rz m\xc3\xa1r m\xc3\xa1rc mar\xc3\xa7 "
	"b\xc5\x99"
	"e \xd0\xbc\xd0\xb0\xd1\x80 \xd0\x9c\xd0\xb0\xd1\x80 \xd0\xb1\xd0\xb5\xd1\x80",
	"apr april abr avr avril kwi dub huhti nis \xc3\xa1pr "
	"\xd0\xb0\xd0\xbf\xd1\x80 \xd0\x90\xd0\xbf\xd1\x80 \xd0\xba\xd0\xb2\xd1\x96",
	"may mai maj mei mag maio touko svi kv\xc4\x9b m\xc3\xa1j "
	"\xd0\xbc\xd0\xb0\xd0\xb9 \xd0\x9c\xd0\xb0\xd0\xb9 \xd0\xbc\xd0\xb0\xd1\x8f "
	"\xd1\x82\xd1\x80\xd0\xb0",
	"jun june juin giu iun juni cze haz kes\xc3\xa4 j\xc3\xban \xc4\x8dvn "
	"\xd0\xb8\xd1\x8e\xd0\xbd \xd0\x98\xd1\x8e\xd0\xbd \xd1\x87\xd0\xb5\xd1\x80",
	"jul july juil lug iul juli tem hein\xc3\xa4 j\xc3\xbal \xc4\x8dvc "
	"\xd0\xb8\xd1\x8e\xd0\xbb \xd0\x98\xd1\x8e\xd0\xbb \xd0\xbb\xd0\xb8\xd0\xbf",
	"aug august ago avg sie elo ags ao\xc3\xbb ao\xc3\xbbt ao\xfbt a\xc4\x9fu "
	"\xd0\xb0\xd0\xb2\xd0\xb3 \xd0\x90\xd0\xb2\xd0\xb3 \xd1\x81\xd0\xb5\xd1\x80",
	"sep sept september set wrz ruj syys eyl szept z\xc3\xa1\xc5\x99 "
	"\xd1\x81\xd0\xb5\xd0\xbd \xd0\xa1\xd0\xb5\xd0\xbd \xd0\xb2\xd0\xb5\xd1\x80",
	"oct october okt ott out loka eki pa\xc5\xba \xc5\x99\xc3\xadj "
	"\xd0\xbe\xd0\xba\xd1\x82 \xd0\x9e\xd0\xba\xd1\x82 \xd0\xb6\xd0\xbe\xd0\xb2",
	"nov november noi marras kas stu "
	"\xd0\xbd\xd0\xbe\xd1\x8f \xd0\x9d\xd0\xbe\xd1\x8f",
	"dec december dez dic des dets gru joulu ara d\xc3\xa9"
	"c d\xe9"
	"c \xd0\xb4\xd0\xb5\xd0\xba \xd0\x94\xd0\xb5\xd0\xba \xd0\xb3\xd1\x80\xd1\x83",
};

/* "1\u6708" (Chinese, Japanese), "1\uc6d4" (Korean). */
static int month_by_number(const char *s, size_t len)
{
	const char *p = s;
	int month;

	if (len > 3 && token_figures(&p, 1, 2, &month) && s + len == p + 3 &&
	    (memcmp(p, "\xe6\x9c\x88", 3) == 0 || memcmp(p, "\xec\x9b\x94", 3) == 0) &&
	    month >= 1 && month <= 12) {
		return month;
	}
	return 0;
}

int month_find(const char *s, size_t len)
{
	if (len > 1 && s[len - 1] == '.') {
		len--; /* "janv.", "Okt." */
	}
	for (int i = 0; len > 1 && i < 12; i++) {
		for (const char *word = months[i]; *word;) {
			size_t n = strcspn(word, " ");

			if (n == len && strncasecmp(word, s, n) == 0) {
				return i + 1;
			}
			word += n + (word[n] == ' ');
		}
	}
	return month_by_number(s, len);
}
