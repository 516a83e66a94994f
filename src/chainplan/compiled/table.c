/* Hash tables by open addressing; records lie in chunks, so that growing moves no record. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 1024u

void table_init(Table *t, int key_words, size_t value_bytes) {
    memset(t, 0, sizeof *t);
    t->key_words = key_words;
    t->value_bytes = (value_bytes + 7) & ~(size_t)7;
    t->record_bytes = key_words * sizeof(uint64_t) + t->value_bytes;
}

void table_free(Table *t) {
    for (uint32_t i = 0; i < t->chunks; i++)
        free(t->chunk[i]);
    free(t->chunk);
    free(t->slot);
    table_init(t, t->key_words, t->value_bytes);
}

const uint64_t *table_key(const Table *t, uint32_t i) {
    return (const uint64_t *)(t->chunk[i / CHUNK] + (i % CHUNK) * t->record_bytes);
}

void *table_value(const Table *t, uint32_t i) { return (char *)table_key(t, i) + t->key_words * sizeof(uint64_t); }

/* The mixer of SplitMix64 over all words. */
static uint64_t hash(const uint64_t *key, int words) {
    uint64_t h = 0x9E3779B97F4A7C15u;
    for (int i = 0; i < words; i++) {
        h = (h ^ key[i]) * 0xBF58476D1CE4E5B9u;
        h ^= h >> 29;
    }
    h *= 0x94D049BB133111EBu;
    return h ^ h >> 32;
}

static int equal(const uint64_t *a, const uint64_t *b, int words) {
    for (int i = 0; i < words; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

/* The slot that holds a key of this hash, or the empty one where it would go. */
static Slot *slot_of(const Table *t, const uint64_t *key, uint64_t hashed) {
    uint32_t mask = t->slots - 1, place = (uint32_t)hashed & mask, tag = (uint32_t)(hashed >> 32);
    while (t->slot[place].entry &&
           (t->slot[place].tag != tag || !equal(table_key(t, t->slot[place].entry - 1), key, t->key_words)))
        place = (place + 1) & mask;
    return &t->slot[place];
}

/* Double the slots; the low half of a hash has to be worked out anew from its key. */
static int grow_slots(Table *t) {
    uint32_t wanted = t->slots ? 2 * t->slots : 64;
    Slot *old = t->slot;
    t->slot = calloc(wanted, sizeof *t->slot);
    if (!t->slot) {
        t->slot = old;
        return -1;
    }
    free(old);
    t->slots = wanted;
    for (uint32_t i = 0; i < t->count; i++) {
        uint64_t hashed = hash(table_key(t, i), t->key_words);
        *slot_of(t, table_key(t, i), hashed) = (Slot){i + 1, (uint32_t)(hashed >> 32)};
    }
    return 0;
}

static int grow_chunks(Table *t) {
    char **more = realloc(t->chunk, (t->chunks + 1) * sizeof *more);
    if (!more)
        return -1;
    t->chunk = more;
    t->chunk[t->chunks] = malloc(CHUNK * t->record_bytes);
    if (!t->chunk[t->chunks])
        return -1;
    t->chunks++;
    return 0;
}

void *table_find(const Table *t, const uint64_t *key) {
    if (!t->count)
        return NULL;
    const Slot *slot = slot_of(t, key, hash(key, t->key_words));
    return slot->entry ? table_value(t, slot->entry - 1) : NULL;
}

void *table_get(Table *t, const uint64_t *key) {
    void *found = table_find(t, key);
    if (found)
        return found;
    if (t->count > UINT32_MAX / 4 || (2 * (uint64_t)(t->count + 1) > t->slots && grow_slots(t) < 0) ||
        (t->count == t->chunks * CHUNK && grow_chunks(t) < 0))
        return NULL;
    uint32_t i = t->count++;
    uint64_t hashed = hash(key, t->key_words);
    memcpy((void *)table_key(t, i), key, t->key_words * sizeof *key);
    memset(table_value(t, i), 0, t->value_bytes);
    *slot_of(t, key, hashed) = (Slot){i + 1, (uint32_t)(hashed >> 32)};
    return table_value(t, i);
}
