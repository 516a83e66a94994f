/* Groups of vertices with the table h of the least that their members cost: `GroupTable` and `groups` of `bounds.py`. */
#ifndef CHAINPLAN_GROUPS_H
#define CHAINPLAN_GROUPS_H

#include "model.h"

#define MAX_GROUP 16

/* `table[part]` is h of a part, whose bit i stands for the i-th member; `near` are the neighbours of the group. */
typedef struct {
    Set mask, near;
    int count, member[MAX_GROUP];
    int64_t *table;
} Group;

typedef struct {
    Group *group;
    int count;
} Groups;

void groups_free(Groups *groups);

/* Merge the members of a set into disjoint groups of at most `most`. Returns -1 with an exception. */
int groups_make(Model *model, const uint64_t *inside, int most, Groups *groups);

/* The members of a group that lie in a set, as a part of its table. */
static inline unsigned part_of(const Group *group, const uint64_t *set) {
    unsigned part = 0;
    for (int i = 0; i < group->count; i++)
        part |= (unsigned)has(set, group->member[i]) << i;
    return part;
}

#endif
