/* Memoised branch and bound over sets, under limits. The Python code says why; here are the same steps. */
#include "search.h"

#include <stdlib.h>

/* Whether the candidates of a set are being tried, and whether they are to be forgotten then. */
enum { IDLE, TRYING, FORGOTTEN };

/* A slack that leaves no candidate out, so that none loses what has been proven of it. */
#define EVERYTHING (INT64_MAX / 2)

/* The components of a set, with their bounds. */
typedef struct {
    int64_t low;
    int words;
    Set mask;
} Part;

void search_init(SetSearch *s, Model *model, const uint64_t *whole, int64_t room) {
    memset(s, 0, sizeof *s);
    s->room = room;
    s->model = model;
    copy_set(s->whole, whole, model->words);
    table_init(&s->known, model->words, sizeof(Known));
}

static void free_rows(Known *known) {
    free(known->rows);
    known->rows = NULL;
}

/* Forget the candidates of all sets but those that are being tried; these are forgotten after that. */
static void forget_rows(SetSearch *s) {
    for (uint32_t i = 0; i < s->known.count; i++) {
        Known *known = table_value(&s->known, i);
        if (known->active)
            known->active = FORGOTTEN;
        else
            free_rows(known);
    }
    s->held = 0;
}

void search_free(SetSearch *s) {
    forget_rows(s);
    table_free(&s->known);
    groups_free(&s->groups);
}

static int compare_rows(const void *a, const void *b) {
    const Row *x = a, *y = b;
    if (x->bound != y->bound)
        return x->bound < y->bound ? -1 : 1;
    if (x->price != y->price)
        return x->price < y->price ? -1 : 1;
    return x->v < y->v ? -1 : x->v > y->v;
}

/* Add what a group has beyond the bounds of its members alone, and what it keeps when one of them goes last. */
static int64_t group_gain(const Group *g, const uint64_t *inside, const int64_t *least, int64_t *gain) {
    unsigned part = part_of(g, inside);
    if (!(part & (part - 1)))
        return 0;
    int64_t alone = 0;
    for (int i = 0; i < g->count; i++)
        if (part >> i & 1)
            alone += least[g->member[i]];
    int64_t more = g->table[part] > alone ? g->table[part] - alone : 0;
    for (int i = 0; i < g->count; i++)
        if (part >> i & 1) {
            int64_t rest = g->table[part & ~(1u << i)] - alone + least[g->member[i]];
            gain[g->member[i]] = (rest > 0 ? rest : 0) - more;
        }
    return more;
}

/* The best bound of v that is known from the candidates that a set had before. */
static int64_t bound_before(const Known *known, int v, int64_t bound) {
    for (int i = 0; known->rows && i < known->count; i++)
        if (known->rows[i].v == v && known->rows[i].bound > bound)
            return known->rows[i].bound;
    return bound;
}

/* Keep the sorted candidates whose bounds are at most `most`, or the first one; all are sorted here in place. */
static int keep_rows(Known *known, Row *rows, int count, int64_t most) {
    int kept = 1;
    qsort(rows, count, sizeof *rows, compare_rows);
    while (kept < count && rows[kept].bound <= most)
        kept++;
    Row *copy = malloc(kept * sizeof *copy);
    if (!copy) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(copy, rows, kept * sizeof *copy);
    free(known->rows);
    known->rows = copy;
    known->count = (int16_t)kept;
    known->left_out = kept < count ? rows[kept].bound : INT64_MAX;
    return 0;
}

/* Make the candidates of a set, given what its members cost last and least; returns its lower bound. */
static int64_t fill_rows(SetSearch *s, const uint64_t *inside, const int64_t *last, const int64_t *least,
                         int64_t *gain, const uint64_t *skip, int64_t slack, Known *known) {
    int64_t total = 0, low = known->has_low ? known->low : 0, first = INT64_MAX;
    int count = 0;
    Row rows[64 * MAX_WORDS];
    EACH(v, inside, s->model->words) {
        gain[v] = 0;
        total += least[v];
    }
    for (int g = 0; g < s->groups.count; g++)
        total += group_gain(&s->groups.group[g], inside, least, gain);
    EACH(v, inside, s->model->words) if (!has(skip, v)) {
        int64_t bound = total + last[v] - least[v] + gain[v];
        first = bound < first ? bound : first;
        rows[count].bound = bound_before(known, v, bound);
        rows[count].price = last[v];
        rows[count++].v = v;
    }
    low = first > low ? first : low;
    low = total > low ? total : low;
    if (!known->rows)
        s->held++;
    if (keep_rows(known, rows, count, low + slack) < 0)
        return FAILED;
    known->low = low;
    known->has_low = 1;
    return low;
}

/* Enter a set: sort its candidates for going last, up to `slack` above its lower bound, which is returned. */
static int64_t open_set(SetSearch *s, const uint64_t *inside, int64_t slack) {
    Model *m = s->model;
    int64_t *last = malloc((3 * (size_t)m->n + 1) * sizeof *last), result = FAILED;
    if (!last) {
        PyErr_NoMemory();
        return FAILED;
    }
    int64_t *least = last + m->n, *gain = least + m->n;
    Set skip;
    if (model_scan(m, inside, last, least, skip) < 0)
        goto done;
    Known *known = table_get(&s->known, inside);
    if (!known) {
        PyErr_NoMemory();
        goto done;
    }
    if (!is_single(inside, m->words)) {
        if (!known->rows && s->held >= s->room)
            forget_rows(s);
        result = fill_rows(s, inside, last, least, gain, skip, slack, known);
    } else
        EACH(v, inside, m->words) {
            known->is_exact = 1;
            known->last = v;
            known->exact = result = last[v];
        }
done:
    free(last);
    return result;
}

int64_t search_bound(SetSearch *s, const uint64_t *inside) {
    if (is_empty(inside, s->model->words))
        return 0;
    const Known *known = table_find(&s->known, inside);
    if (known && known->is_exact)
        return known->exact;
    return known && known->has_low ? known->low : open_set(s, inside, s->slack);
}

int search_regroup(SetSearch *s, int most) {
    Groups groups = {NULL, 0};
    if (model_root(s->model, s->whole) < 0 || groups_make(s->model, s->whole, most, &groups) < 0)
        return FAILED;
    groups_free(&s->groups);
    s->groups = groups;
    forget_rows(s);
    return open_set(s, s->whole, s->slack) < 0 ? FAILED : 0;
}

static int compare_parts(const void *a, const void *b) {
    const Part *x = a, *y = b;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    return compare_sets(x->mask, y->mask, x->words);
}

/* The components of a set; NULL with an exception. */
static Part *parts_of(const Model *m, const uint64_t *set, int *count) {
    Part *parts = NULL;
    int room = 0;
    Set left;
    copy_set(left, set, m->words);
    *count = 0;
    do {
        if (*count == room) {
            Part *more = realloc(parts, (room = 2 * room + 2) * sizeof *parts);
            if (!more) {
                free(parts);
                PyErr_NoMemory();
                return NULL;
            }
            parts = more;
        }
        if (is_empty(left, m->words))
            break;
        Part *part = &parts[(*count)++];
        part->words = m->words;
        model_part(m, left, part->mask);
        WORDS(i, m->words) left[i] &= ~part->mask[i];
    } while (1);
    return parts;
}

/* `total` plus the optimum of `rest` if that is below `best`, else a lower bound that is not. */
static int64_t total_with(SetSearch *s, const uint64_t *rest, int64_t total, int64_t best) {
    int count;
    Part *parts = parts_of(s->model, rest, &count);
    if (!parts)
        return FAILED;
    for (int i = 0; i < count; i++) {
        parts[i].low = search_bound(s, parts[i].mask);
        if (parts[i].low < 0) {
            total = parts[i].low;
            goto done;
        }
        total += parts[i].low;
    }
    if (total >= best)
        goto done;
    qsort(parts, count, sizeof *parts, compare_parts);
    for (int i = 0; i < count && total < best; i++) {
        int64_t found = search_solve(s, parts[i].mask, best - 1 - total + parts[i].low);
        if (found < 0) {
            total = found;
            goto done;
        }
        total += found - parts[i].low;
    }
done:
    free(parts);
    return total;
}

/* Try the candidates of a set; FAILED or LARGER_GROUPS_PAY where one of them ended so. */
static int64_t try_rows(SetSearch *s, const uint64_t *inside, Known *known, int64_t limit, int64_t low) {
    int64_t best = limit + 1, missed = known->left_out;
    int choice = -1;
    for (int i = 0; i < known->count; i++) {
        Row *row = &known->rows[i];
        if (row->bound >= best) {
            missed = row->bound < missed ? row->bound : missed;
            continue;
        }
        Set rest;
        copy_set(rest, inside, s->model->words);
        drop(rest, row->v);
        int64_t total = total_with(s, rest, row->price, best);
        if (total < 0)
            return total;
        if (total < best) {
            best = total;
            choice = row->v;
        } else
            missed = total < missed ? total : missed;
        row->bound = row->bound > total ? row->bound : total;
    }
    if (choice >= 0) {
        known->is_exact = 1;
        known->last = (int16_t)choice;
        return known->exact = best;
    }
    qsort(known->rows, known->count, sizeof *known->rows, compare_rows);
    return known->low = low > missed ? low : missed;
}

int64_t search_solve(SetSearch *s, const uint64_t *inside, int64_t limit) {
    int64_t low = search_bound(s, inside);
    if (low < 0 || low > limit || is_empty(inside, s->model->words))
        return low;
    Known *known = table_find(&s->known, inside);
    if (known->is_exact)
        return low;
    if (!known->rows) {
        low = open_set(s, inside, s->slack);
        if (low < 0 || low > limit)
            return low;
    }
    s->visits++;
    if (model_tick(s->model) < 0)
        return FAILED;
    if (s->visits == s->patience)
        return LARGER_GROUPS_PAY;
    if (known->left_out <= limit && open_set(s, inside, EVERYTHING) < 0)
        return FAILED;
    known->active = TRYING;
    int64_t found = try_rows(s, inside, known, limit, low);
    if (known->active == FORGOTTEN)
        free_rows(known);
    else if (known->is_exact) {
        free_rows(known);
        s->held--;
    }
    known->active = IDLE;
    return found;
}

int64_t search_whole(SetSearch *s, int64_t limit) {
    int64_t low = search_bound(s, s->whole);
    if (low < 0)
        return low;
    s->slack = limit - low;
    return search_solve(s, s->whole, limit);
}

int search_order(SetSearch *s, const uint64_t *inside, int *order, int place) {
    const Known *known = table_find(&s->known, inside);
    Set rest;
    copy_set(rest, inside, s->model->words);
    drop(rest, known->last);
    int count;
    Part *parts = parts_of(s->model, rest, &count);
    for (int i = 0; parts && i < count && place >= 0; i++)
        place = search_order(s, parts[i].mask, order, place);
    if (!parts || place < 0)
        return -1;
    free(parts);
    order[place] = known->last;
    return place + 1;
}
