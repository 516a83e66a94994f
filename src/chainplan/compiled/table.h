/* A hash table from keys of some words to values of some bytes. Values stay where they are until the table is freed. */
#ifndef CHAINPLAN_TABLE_H
#define CHAINPLAN_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* The number of an entry, counted from 1, and a part of the hash of its key; 0 where the slot is empty. */
typedef struct {
    uint32_t entry, tag;
} Slot;

typedef struct {
    int key_words;
    size_t value_bytes, record_bytes;
    uint32_t count, slots;
    Slot *slot;
    char **chunk;
    uint32_t chunks;
} Table;

void table_init(Table *table, int key_words, size_t value_bytes);
void table_free(Table *table);

/* The value of a key, or NULL where it has none. */
void *table_find(const Table *table, const uint64_t *key);

/* The value of a key, zeroed where it is new; NULL without memory. */
void *table_get(Table *table, const uint64_t *key);

/* The key and the value of entry i, in the order in which they came. */
const uint64_t *table_key(const Table *table, uint32_t i);
void *table_value(const Table *table, uint32_t i);

#endif
