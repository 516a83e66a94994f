/* Tables of groups, and the choice of disjoint groups by merging those that gain most. */
#include "groups.h"

#include <stdlib.h>

/* A pair of groups, by their sets in rising order, with the merged group and what merging adds to the bound. */
typedef struct {
    const uint64_t *low, *high;
    int64_t gain;
    Group joint;
} Merger;

typedef struct {
    Merger *merger;
    int count, room;
} Mergers;

void groups_free(Groups *g) {
    for (int i = 0; i < g->count; i++)
        free(g->group[i].table);
    free(g->group);
    g->group = NULL;
    g->count = 0;
}

static int64_t whole_price(const Group *g) { return g->table[(1u << g->count) - 1]; }

/* The least that a part costs, given the table of smaller parts; -1 with an exception. */
static int64_t part_price(Model *m, const uint64_t *inside, const Group *g, unsigned part) {
    int64_t best = INT64_MAX;
    Set within, members;
    copy_set(within, inside, m->words);
    clear_set(members, m->words);
    for (int i = 0; i < g->count; i++)
        if (part >> i & 1)
            put(members, g->member[i]);
        else
            drop(within, g->member[i]);
    for (int i = 0; i < g->count; i++)
        if (part >> i & 1) {
            drop(members, g->member[i]);
            int64_t price = model_least(m, g->member[i], within, members);
            if (price < 0)
                return -1;
            put(members, g->member[i]);
            price += g->table[part & ~(1u << i)];
            if (price < best)
                best = price;
        }
    return best;
}

/* Set up a group of a set with its table. */
static int group_init(Model *m, const uint64_t *inside, const uint64_t *mask, Group *g) {
    g->count = 0;
    copy_set(g->mask, mask, m->words);
    clear_set(g->near, m->words);
    EACH(v, mask, m->words) {
        g->member[g->count++] = v;
        WORDS(i, m->words) g->near[i] |= row(m, m->sets[6], v)[i] & inside[i];
    }
    g->table = malloc(sizeof *g->table << g->count);
    if (!g->table) {
        PyErr_NoMemory();
        return -1;
    }
    g->table[0] = 0;
    for (unsigned part = 1; part < 1u << g->count; part++) {
        g->table[part] = part_price(m, inside, g, part);
        if (g->table[part] < 0) {
            free(g->table);
            return -1;
        }
    }
    return 0;
}

static int same_pair(const Merger *merger, const uint64_t *low, const uint64_t *high, int words) {
    return same(merger->low, low, words) && same(merger->high, high, words);
}

/* Weigh the merger of two groups, unless that has been done. */
static int weigh(Model *m, const uint64_t *inside, const Group *a, const Group *b, Mergers *mergers) {
    int words = m->words, rising = compare_sets(a->mask, b->mask, words) < 0;
    const uint64_t *low = rising ? a->mask : b->mask, *high = rising ? b->mask : a->mask;
    for (int i = 0; i < mergers->count; i++)
        if (same_pair(&mergers->merger[i], low, high, words))
            return 0;
    if (model_tick(m) < 0)
        return -1;
    if (mergers->count == mergers->room) {
        int room = 2 * mergers->room + 64;
        Merger *more = realloc(mergers->merger, room * sizeof *more);
        if (!more) {
            PyErr_NoMemory();
            return -1;
        }
        mergers->merger = more;
        mergers->room = room;
    }
    Merger *merger = &mergers->merger[mergers->count];
    Set mask;
    WORDS(i, words) mask[i] = a->mask[i] | b->mask[i];
    if (group_init(m, inside, mask, &merger->joint) < 0)
        return -1;
    merger->low = low;
    merger->high = high;
    merger->gain = whole_price(&merger->joint) - whole_price(a) - whole_price(b);
    mergers->count++;
    return 0;
}

/* Weigh all mergers of groups of which the first comes from `fresh` on. Groups are pointers, in the order they came. */
static int weigh_all(Model *m, const uint64_t *inside, int most, Group **group, int count, int fresh, Mergers *all) {
    for (int i = fresh; i < count; i++)
        for (int k = 0; k < count; k++)
            if (k != i && meets(group[i]->near, group[k]->mask, m->words) &&
                group[i]->count + group[k]->count <= most && weigh(m, inside, group[i], group[k], all) < 0)
                return -1;
    return 0;
}

/* The merger of the largest gain, then of the largest pair of sets; -1 where none gains. */
static int best_merger(const Mergers *all, int words) {
    int best = -1;
    for (int i = 0; i < all->count; i++) {
        const Merger *a = &all->merger[i], *b = best < 0 ? NULL : &all->merger[best];
        if (a->gain <= 0 || (b && a->gain < b->gain))
            continue;
        if (!b || a->gain > b->gain) {
            best = i;
            continue;
        }
        int order = compare_sets(a->low, b->low, words);
        if (order > 0 || (order == 0 && compare_sets(a->high, b->high, words) > 0))
            best = i;
    }
    return best;
}

/* Forget the mergers of either of two groups, and the tables of all but the one that is kept. */
static void forget(Mergers *all, const uint64_t *low, const uint64_t *high, int words) {
    int left = 0;
    for (int i = 0; i < all->count; i++) {
        Merger *a = &all->merger[i];
        if (same(a->low, low, words) || same(a->low, high, words) || same(a->high, low, words) ||
            same(a->high, high, words))
            free(a->joint.table);
        else
            all->merger[left++] = *a;
    }
    all->count = left;
}

/* Carry out a merger: the joint group goes to the end, in the place of the two. */
static int merge(Mergers *all, int which, Group **group, int *count, int words) {
    Merger merger = all->merger[which];
    Group *joint = malloc(sizeof *joint);
    if (!joint) {
        PyErr_NoMemory();
        return -1;
    }
    *joint = merger.joint;
    all->merger[which] = all->merger[--all->count];
    forget(all, merger.low, merger.high, words);
    int left = 0;
    for (int i = 0; i < *count; i++)
        if (group[i]->mask == merger.low || group[i]->mask == merger.high) {
            free(group[i]->table);
            free(group[i]);
        } else
            group[left++] = group[i];
    group[left++] = joint;
    *count = left;
    return 0;
}

/* Hand over the groups of more than one member. */
static int hand_over(Group **group, int count, Groups *groups) {
    groups->group = malloc((count + 1) * sizeof *groups->group);
    groups->count = 0;
    if (!groups->group) {
        PyErr_NoMemory();
        return -1;
    }
    for (int i = 0; i < count; i++)
        if (group[i]->count > 1) {
            groups->group[groups->count++] = *group[i];
            group[i]->table = NULL;
        }
    return 0;
}

int groups_make(Model *m, const uint64_t *inside, int most, Groups *groups) {
    int count = 0, fresh = 0, failed = -1;
    Mergers all = {NULL, 0, 0};
    Group **group = calloc(m->n + 1, sizeof *group);
    if (!group) {
        PyErr_NoMemory();
        return -1;
    }
    EACH(v, inside, m->words) {
        Set mask;
        clear_set(mask, m->words);
        put(mask, v);
        Group *alone = malloc(sizeof *alone);
        if (!alone || group_init(m, inside, mask, alone) < 0) {
            free(alone);
            goto done;
        }
        group[count++] = alone;
    }
    for (;;) {
        if (weigh_all(m, inside, most, group, count, fresh, &all) < 0)
            goto done;
        int best = best_merger(&all, m->words);
        if (best < 0)
            break;
        if (merge(&all, best, group, &count, m->words) < 0)
            goto done;
        fresh = count - 1;
    }
    failed = hand_over(group, count, groups);
done:
    if (failed && !PyErr_Occurred())
        PyErr_NoMemory();
    for (int i = 0; i < count; i++) {
        free(group[i]->table);
        free(group[i]);
    }
    for (int i = 0; i < all.count; i++)
        free(all.merger[i].joint.table);
    free(all.merger);
    free(group);
    return failed;
}
