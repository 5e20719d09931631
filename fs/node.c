/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One chained hash table holds every node but the root, keyed by (parent,
 * name). Names lie at the end of the node until a rename gives them memory of their
 * own: then their address lies there. */
#include "fs/node.h"

#include "fs/dir.h"
#include "fs/evict.h"
#include "fs/notify.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
	ROOT_INO = 1, /* FUSE_ROOT_ID */
	BUCKETS_MIN = 256,
	BUCKET_LOAD = 2, /* nodes a bucket at most */
	DAY = 24 * 60 * 60,
	PROOF_MS = 1100, /* the second that servers tell, and a little */
};

static inline uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[static 4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

/* SipHash-1-3 of the parent's address and the name: names come from a server
 * that might want them all in one bucket. */
static uint64_t hash_of(const struct tree *t, const struct node *parent, const char *name)
{
	uint64_t v[4] = {
		t->key[0] ^ 0x736f6d6570736575,
		t->key[1] ^ 0x646f72616e646f6d,
		t->key[0] ^ 0x6c7967656e657261,
		t->key[1] ^ 0x7465646279746573,
	};
	size_t len = strlen(name), i;
	uint64_t word;

	sip_word(v, (uintptr_t)parent);
	for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, name + i, sizeof(word));
		sip_word(v, word);
	}
	word = 0;
	memcpy(&word, name + i, len - i);
	sip_word(v, word | (uint64_t)len << 56);
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct node **bucket_of(struct tree *t, const struct node *parent,
			       const char *name) REQUIRES(t->lock)
{
	return &t->buckets[hash_of(t, parent, name) & (t->n_buckets - 1)];
}

static void table_insert(struct tree *t, struct node *n) REQUIRES(t->lock)
{
	struct node **b = bucket_of(t, n->parent, node_name(n));

	n->hash_next = *b;
	*b = n;
	t->n_nodes++;
}

static void table_remove(struct tree *t, struct node *n) REQUIRES(t->lock)
{
	struct node **p = bucket_of(t, n->parent, node_name(n));

	while (*p != n) {
		p = &(*p)->hash_next;
	}
	*p = n->hash_next;
	t->n_nodes--;
}

/* A table that could not grow still works, only slower. */
static void table_grow(struct tree *t) REQUIRES(t->lock)
{
	size_t n_old = t->n_buckets;
	struct node **old = t->buckets;
	struct node **fresh = calloc(n_old * 2, sizeof(struct node *));

	if (!fresh) {
		return;
	}
	t->buckets = fresh;
	t->n_buckets = n_old * 2;
	t->n_nodes = 0;
	for (size_t i = 0; i < n_old; i++) {
		struct node *next;

		for (struct node *n = old[i]; n; n = next) {
			next = n->hash_next;
			table_insert(t, n);
		}
	}
	free(old);
}

static struct node *node_alloc(const char *name, enum entry_kind kind)
{
	size_t size = strlen(name) + 1;
	struct node *n =
		calloc(1, offsetof(struct node, tail) + MAX(size, sizeof(char *)));

	if (!n) {
		return NULL;
	}
	memcpy(n->tail, name, size);
	n->kind = (uint8_t)kind;
	n->checked = INT64_MIN;
	n->refs = 1;
	return n;
}

/* The pointer in the tail is not aligned. */
static char *far_name(const struct node *n)
{
	char *name;

	memcpy(&name, n->tail, sizeof(name));
	return name;
}

const char *node_name(const struct node *n)
{
	return n->flags & NODE_FAR_NAME ? far_name(n) : n->tail;
}

static void name_free(struct node *n)
{
	if (n->flags & NODE_FAR_NAME) {
		free(far_name(n));
	}
}

/* name is n's from now on. */
static void name_set(struct node *n, char *name)
{
	name_free(n);
	memcpy(n->tail, &name, sizeof(name));
	n->flags |= NODE_FAR_NAME;
}

static void node_free(struct tree *t, struct node *n) REQUIRES(t->lock)
{
	if (n->kind == ENTRY_DIR) {
		dir_free_locked(t, n->dir);
	} else if (n->kind == ENTRY_SYMLINK) {
		free(n->target);
	}
	name_free(n);
	free(n);
}

int tree_init(struct tree *t)
{
	*t = (struct tree){ .n_buckets = BUCKETS_MIN, .next_number = ROOT_INO };
	t->buckets = calloc(t->n_buckets, sizeof(struct node *));
	t->root = node_alloc("", ENTRY_DIR);
	if (!t->buckets || !t->root) {
		free(t->buckets);
		free(t->root);
		return -ENOMEM;
	}
	if (getrandom(t->key, sizeof(t->key), 0) != sizeof(t->key)) {
		t->key[0] = (uint64_t)now_ms() ^ (uintptr_t)t->root;
	}
	t->root->number = t->next_number++;
	t->root->mtime = time(NULL);
	mutex_init(&t->lock);
	cond_init(&t->loaded);
	return 0;
}

/* Whoever still holds a reference holds nothing afterwards: the loop has ended. */
void tree_finish(struct tree *t)
{
	mutex_lock(&t->lock);
	for (size_t i = 0; i < t->n_buckets; i++) {
		struct node *next;

		for (struct node *n = t->buckets[i]; n; n = next) {
			next = n->hash_next;
			node_free(t, n);
		}
	}
	node_free(t, t->root);
	free(t->buckets);
	t->buckets = NULL;
	t->n_buckets = t->n_nodes = 0;
	t->root = NULL;
	mutex_unlock(&t->lock);
	cond_finish(&t->loaded);
	mutex_finish(&t->lock);
}

struct node *node_of(struct tree *t, uint64_t ino)
{
	return ino == ROOT_INO ? t->root : (struct node *)(uintptr_t)ino;
}

uint64_t node_ino(struct tree *t, struct node *n)
{
	return n == t->root ? (uint64_t)ROOT_INO : (uint64_t)(uintptr_t)n;
}

struct node *node_find_locked(struct tree *t, struct node *parent, const char *name)
{
	for (struct node *n = *bucket_of(t, parent, name); n; n = n->hash_next) {
		if (n->parent == parent && !(n->flags & NODE_GONE) &&
		    strcmp(node_name(n), name) == 0) {
			return n;
		}
	}
	return NULL;
}

struct node *node_new_locked(struct tree *t, struct node *parent, const char *name,
			     enum entry_kind kind)
{
	struct node *n = node_alloc(name, kind);

	if (!n) {
		return NULL;
	}
	n->number = t->next_number++;
	n->parent = parent;
	node_ref_locked(t, parent);
	if (t->n_nodes >= t->n_buckets * BUCKET_LOAD) {
		table_grow(t);
	}
	table_insert(t, n);
	return n;
}

void node_ref_locked(struct tree *t, struct node *n)
{
	(void)t;
	n->refs++;
}

void node_looked_up_locked(struct tree *t, struct node *n)
{
	(void)t;
	n->nlookup += n->nlookup < UINT32_MAX;
}

/* A child's end may be its parent's too: a loop, since the chain is as long as
 * a server makes it. */
static void node_reap(struct tree *t, struct node *n) REQUIRES(t->lock)
{
	while (n && n != t->root && n->refs == 0 && n->nlookup == 0) {
		struct node *parent = n->parent;

		assert(n->flags & NODE_GONE);
		table_remove(t, n);
		node_free(t, n);
		parent->refs--;
		n = parent;
	}
}

void node_unref_locked(struct tree *t, struct node *n)
{
	assert(n->refs > 0);
	n->refs--;
	node_reap(t, n);
}

void node_remove_locked(struct tree *t, struct node *n)
{
	assert(n != t->root && !(n->flags & NODE_GONE));
	n->flags |= NODE_GONE;
	node_unref_locked(t, n);
}

int node_move_locked(struct tree *t, struct node *n, struct node *parent,
		     const char *name)
{
	struct node *target = node_find_locked(t, parent, name), *old_parent = n->parent;
	char *copy;

	if (target == n) {
		return 0;
	}
	copy = strdup(name);
	if (!copy) {
		return -ENOMEM;
	}
	if (target) {
		node_remove_locked(t, target);
	}
	node_ref_locked(t, parent);
	table_remove(t, n);
	name_set(n, copy);
	n->parent = parent;
	if (n->flags & NODE_GONE) {
		n->flags &= (uint8_t)~NODE_GONE;
		n->refs++;
	}
	table_insert(t, n);
	node_unref_locked(t, old_parent);
	return 0;
}

/* Whether what a LIST line says is the exact time we know, rounded: to the
 * minute, or to the day where the line shows none. */
static bool coarse_agrees(int64_t coarse, int64_t exact)
{
	int64_t grain = coarse % DAY == 0 ? DAY : 60;

	return coarse <= exact && exact - coarse < grain;
}

static void update_times(struct node *n, const struct entry *e, bool same_size)
{
	bool coarse = e->flags & ENTRY_MTIME_COARSE;
	bool exact_known = n->mtime != 0 && !(n->flags & NODE_COARSE);

	if (!(e->flags & ENTRY_HAS_MTIME) || (n->flags & NODE_KEEP_MTIME)) {
		return;
	}
	if (coarse && exact_known && same_size && coarse_agrees(e->mtime, n->mtime)) {
		return;
	}
	n->mtime = e->mtime;
	n->flags &= (uint8_t)~NODE_COARSE;
	if (coarse) {
		n->flags |= NODE_COARSE;
	}
}

static void update_target(struct node *n, const char *target)
{
	char *copy;

	if (n->kind != ENTRY_SYMLINK || !target ||
	    (n->target && !strcmp(n->target, target))) {
		return;
	}
	copy = strdup(target);
	if (copy) { /* else readlink asks the server */
		free(n->target);
		n->target = copy;
	}
}

/* Seen to be as before. What was forgotten in between does not count. */
static void stayed(struct node *n, int64_t now)
{
	if (n->checked != INT64_MIN && now > n->checked) {
		n->steady_ms = (uint16_t)MIN(n->steady_ms + (now - n->checked),
					     (int64_t)UINT16_MAX);
	}
}

void node_update_locked(struct tree *t, struct node *n, const struct entry *e,
			int64_t now)
{
	(void)t;
	if (!(n->flags & (NODE_DIRTY | NODE_LOCAL))) {
		bool same_size = !(e->flags & ENTRY_HAS_SIZE) || e->size == n->size;
		int64_t mtime = n->mtime;

		update_times(n, e, same_size);
		if (!same_size) {
			n->size = e->size;
		}
		/* Somebody else wrote it: the kernel's pages are of the old file. */
		if (!same_size || n->mtime != mtime) {
			notify_content_locked(t, n);
			n->flags &= (uint8_t)~NODE_CACHED;
			n->steady_ms = 0;
		} else {
			stayed(n, now);
		}
	}
	if (e->flags & ENTRY_HAS_MODE) {
		n->mode = e->mode & 07777;
		n->flags |= NODE_HAS_MODE;
	}
	if (e->flags & ENTRY_HAS_PERM) {
		n->perm = e->perm | NODE_PERM_GIVEN;
	}
	update_target(n, e->target);
	n->checked = now;
}

bool node_is_proven_locked(struct tree *t, const struct node *n)
{
	(void)t;
	return (n->checked != INT64_MIN && n->steady_ms >= PROOF_MS) ||
	       n->mtime < time(NULL) - DAY;
}

void node_ref(struct tree *t, struct node *n)
{
	mutex_lock(&t->lock);
	node_ref_locked(t, n);
	mutex_unlock(&t->lock);
}

void node_unref(struct tree *t, struct node *n)
{
	mutex_lock(&t->lock);
	node_unref_locked(t, n);
	mutex_unlock(&t->lock);
}

void node_forget(struct tree *t, struct node *n, uint64_t nlookup)
{
	mutex_lock(&t->lock);
	if (n->nlookup < UINT32_MAX) {
		n->nlookup -= (uint32_t)MIN((uint64_t)n->nlookup, nlookup);
	}
	if (n->nlookup == 0 && !evict_forgotten_locked(t, n)) {
		node_reap(t, n);
	}
	mutex_unlock(&t->lock);
}

char *node_path_locked(struct tree *t, const char *base, struct node *n)
{
	size_t len = base ? strlen(base) : 0, room;
	char *path, *end;

	/* "/" + "/name" would be "//name". */
	while (len > 0 && base[len - 1] == '/') {
		len--;
	}
	room = len;
	for (struct node *i = n; i != t->root; i = i->parent) {
		room += 1 + strlen(node_name(i));
	}
	path = malloc(MAX(room, 1u) + 1);
	if (!path) {
		return NULL;
	}
	if (len) {
		memcpy(path, base, len);
	}
	if (room == 0) {
		path[room++] = '/';
	}
	end = path + room;
	*end = '\0';
	for (struct node *i = n; i != t->root; i = i->parent) {
		size_t l = strlen(node_name(i));

		end -= l;
		memcpy(end, node_name(i), l);
		*--end = '/';
	}
	return path;
}

char *node_path(struct tree *t, const char *base, struct node *n)
{
	char *path;

	mutex_lock(&t->lock);
	path = node_path_locked(t, base, n);
	mutex_unlock(&t->lock);
	return path;
}
