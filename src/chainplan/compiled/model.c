/* Prices and lower bounds of sets: what `NetDirection`, `SetBounds` and `goes_first` do in Python, in the same order. */
#include "model.h"

#include <stdlib.h>

/* The default of `WorkPace` in `search.py`. */
#define WORK_BETWEEN_LOOKS 20000

int model_tick(Model *m) {
    PyObject *answer = PyObject_CallNoArgs(m->tick);
    Py_XDECREF(answer);
    return answer ? 0 : -1;
}

int model_look(void *model, int64_t work) {
    Model *m = model;
    m->left -= work;
    if (m->left > 0)
        return 0;
    m->left = WORK_BETWEEN_LOOKS;
    return model_tick(m);
}

int64_t set_weight(const Model *m, const uint64_t *set) {
    int64_t total = 0;
    EACH(u, set, m->words) total += m->size[u];
    return total;
}

static int64_t plain_weight(const Model *m, const Direction *d, int v) {
    Set full, thin;
    WORDS(i, m->words) {
        full[i] = row(m, d->full, v)[i];
        thin[i] = row(m, d->step, v)[i] & ~full[i] & ~row(m, d->unit, v)[i];
    }
    return set_weight(m, full) + count_set(thin, m->words);
}

static int direction_init(Model *m, Direction *d, int upstream) {
    d->upstream = upstream;
    d->step = m->sets[upstream ? 0 : 1];
    d->full = m->sets[upstream ? 2 : 3];
    d->unit = m->sets[upstream ? 4 : 5];
    d->plain = malloc((m->n + 1) * sizeof *d->plain);
    d->floor = malloc((m->n + 1) * sizeof *d->floor);
    table_init(&d->known, 1 + m->words, sizeof(Look));
    table_init(&d->cuts, 1 + 2 * m->words, sizeof(int64_t));
    if (!d->plain || !d->floor || flow_init(&d->flow, m->n, d->step, m->size) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    for (int v = 0; v < m->n; v++) {
        d->plain[v] = plain_weight(m, d, v);
        d->floor[v] = -1;
    }
    return 0;
}

int model_init(Model *m, int n, int64_t *size, uint64_t *sets[6], const uint64_t *kept, int mixed) {
    m->n = n;
    m->words = words_of(n);
    m->mixed = mixed;
    m->size = size;
    memcpy(m->sets, sets, 6 * sizeof *sets);
    copy_set(m->kept, kept, m->words);
    m->left = WORK_BETWEEN_LOOKS;
    m->sets[6] = malloc(((size_t)n * m->words + 1) * sizeof(uint64_t));
    if (!m->sets[6]) {
        PyErr_NoMemory();
        return -1;
    }
    for (int i = 0; i < n * m->words; i++)
        m->sets[6][i] = sets[0][i] | sets[1][i];
    static const Set none;
    m->side[0].ends = none;
    m->side[1].ends = m->kept;
    return direction_init(m, &m->side[0], 1) < 0 || direction_init(m, &m->side[1], 0) < 0 ? -1 : 0;
}

void model_free(Model *m) {
    for (int i = 0; i < 7; i++)
        free(m->sets[i]);
    for (int i = 0; i < 2; i++) {
        free(m->side[i].plain), free(m->side[i].floor);
        flow_free(&m->side[i].flow);
        table_free(&m->side[i].known), table_free(&m->side[i].cuts);
    }
    free(m->size);
}

/* v and the vertices of `inside` on paths from it whose vertices lie in `inside`. */
static void reach_of(const Model *m, const Direction *d, int v, const uint64_t *inside, uint64_t *reached) {
    int words = m->words;
    Set border;
    clear_set(reached, words);
    clear_set(border, words);
    put(border, v);
    while (!is_empty(border, words)) {
        Set grown;
        clear_set(grown, words);
        EACH(u, border, words) {
            const uint64_t *near = row(m, d->step, u);
            WORDS(i, words) grown[i] |= near[i];
        }
        WORDS(i, words) {
            reached[i] |= border[i];
            border[i] = grown[i] & inside[i] & ~reached[i];
        }
    }
}

/* One more vertex u on the way of `NetDirection._classes`. */
static void pass_classes(const Model *m, const Direction *d, int u, uint64_t *full, uint64_t *once, uint64_t *thin) {
    const uint64_t *step = row(m, d->step, u), *full_step = row(m, d->full, u), *unit = row(m, d->unit, u);
    int is_full = has(full, u), is_once = has(once, u), is_thin = has(thin, u);
    WORDS(i, m->words) {
        if (is_full)
            full[i] |= step[i];
        if (is_once) {
            full[i] |= full_step[i];
            uint64_t more = step[i] & ~full_step[i];
            thin[i] |= is_thin ? more : more & (once[i] | ~unit[i]);
            once[i] |= more;
        }
    }
}

static void classes(const Model *m, const Direction *d, int v, const uint64_t *reach, uint64_t *full, uint64_t *thin) {
    Set once;
    WORDS(i, m->words) {
        full[i] = row(m, d->full, v)[i];
        once[i] = row(m, d->step, v)[i] & ~full[i];
        thin[i] = once[i] & ~row(m, d->unit, v)[i];
    }
    if (d->upstream) {
        for (int u = v - 1; u >= 0; u--)
            if (has(reach, u))
                pass_classes(m, d, u, full, once, thin);
    } else
        for (int u = v + 1; u < m->n; u++)
            if (has(reach, u))
                pass_classes(m, d, u, full, once, thin);
    WORDS(i, m->words) thin[i] &= ~full[i];
}

/* What the neighbours of v count after the rest of its reach has been eliminated. */
static int64_t weight_around(const Model *m, const Direction *d, int v, const uint64_t *reach) {
    int words = m->words;
    Set near, thin;
    clear_set(near, words);
    clear_set(thin, words);
    if (m->mixed)
        classes(m, d, v, reach, near, thin);
    else
        EACH(u, reach, words) {
            const uint64_t *step = row(m, d->step, u);
            WORDS(i, words) near[i] |= step[i];
        }
    WORDS(i, words) {
        uint64_t ends = d->ends[i] & ~(v >> 6 == i ? (uint64_t)1 << (v & 63) : 0), stays = ~reach[i] | ends;
        near[i] &= stays;
        thin[i] &= stays;
    }
    return set_weight(m, near) + (m->mixed ? count_set(thin, words) : 0);
}

/* Where the paths of a cut begin, and whether v has a thin edge, see `NetDirection._cut`. */
static int starts_of(const Model *m, const Direction *d, int v, const uint64_t *locked, uint64_t *starts) {
    int words = m->words, thin = 0;
    Set joined, border;
    clear_set(starts, words);
    clear_set(joined, words);
    clear_set(border, words);
    put(border, v);
    while (!is_empty(border, words)) {
        Set near;
        clear_set(near, words);
        EACH(u, border, words) {
            const uint64_t *step = row(m, d->step, u), *full = row(m, d->full, u), *unit = row(m, d->unit, u);
            WORDS(i, words) {
                starts[i] |= full[i];
                near[i] |= step[i] & ~full[i];
                thin |= (step[i] & ~full[i] & ~unit[i]) != 0;
            }
        }
        WORDS(i, words) {
            joined[i] |= border[i];
            border[i] = near[i] & locked[i] & ~joined[i];
        }
    }
    return thin;
}

static int64_t fresh_cut(Model *m, Direction *d, int v, const uint64_t *reach, const uint64_t *locked) {
    if (!m->mixed)
        return flow_cut(&d->flow, v, row(m, d->step, v), reach, locked, d->ends, model_look, m);
    Set starts;
    int thin = starts_of(m, d, v, locked, starts);
    int64_t cut = flow_cut(&d->flow, v, starts, reach, locked, d->ends, model_look, m);
    return cut == 0 && thin ? 1 : cut;
}

/* The minimum cut of v, given the weight `most` of some cut or -1; -1 with an exception. */
static int64_t cut_of(Model *m, Direction *d, int v, const uint64_t *reach, const uint64_t *locked, int64_t most) {
    int words = m->words;
    Set alone;
    clear_set(alone, words);
    put(alone, v);
    if (same(reach, alone, words))
        return d->plain[v];
    if (most >= 0 && most == d->floor[v])
        return d->floor[v];
    uint64_t key[1 + 2 * MAX_WORDS] = {(uint64_t)v};
    copy_set(key + 1, reach, words);
    copy_set(key + 1 + words, locked, words);
    int64_t *known = table_find(&d->cuts, key);
    if (known)
        return *known;
    int64_t cut = fresh_cut(m, d, v, reach, locked);
    if (cut < 0)
        return -1;
    known = table_get(&d->cuts, key);
    if (!known) {
        PyErr_NoMemory();
        return -1;
    }
    return *known = cut;
}

static const Look *look_up(Model *m, Direction *d, int v, const uint64_t *reach) {
    static const Set none;
    uint64_t key[1 + MAX_WORDS] = {(uint64_t)v};
    copy_set(key + 1, reach, m->words);
    Look *look = table_find(&d->known, key);
    if (look)
        return look;
    int64_t weight = weight_around(m, d, v, reach);
    int64_t cut = cut_of(m, d, v, reach, none, weight < d->plain[v] ? weight : d->plain[v]);
    if (cut < 0)
        return NULL;
    look = table_get(&d->known, key);
    if (!look) {
        PyErr_NoMemory();
        return NULL;
    }
    look->weight = weight;
    look->cut = cut;
    return look;
}

/* Look up all members of a set on one side; a reach is the union of those of the neighbours. */
static int look_all(Model *m, Direction *d, const uint64_t *inside, const Look **looks) {
    int words = m->words, failed = -1;
    uint64_t *reach = malloc(((size_t)m->n * words + 1) * sizeof *reach);
    if (!reach) {
        PyErr_NoMemory();
        return -1;
    }
    for (int i = 0; i < m->n; i++) {
        int v = d->upstream ? i : m->n - 1 - i;
        if (!has(inside, v))
            continue;
        uint64_t *mine = reach + (size_t)v * words;
        Set near;
        clear_set(mine, words);
        put(mine, v);
        WORDS(k, words) near[k] = row(m, d->step, v)[k] & inside[k];
        EACH(u, near, words) WORDS(k, words) mine[k] |= reach[(size_t)u * words + k];
        looks[v] = look_up(m, d, v, mine);
        if (!looks[v])
            goto done;
    }
    failed = 0;
done:
    free(reach);
    return failed;
}

/* Whether the vertices that each neighbour gains from `given` stay for good and weigh at most `room`: `_bearable`. */
static int bearable(const Model *m, const uint64_t *given, const uint64_t *step, const uint64_t *near,
                    const uint64_t *full, const uint64_t *inside, int64_t room) {
    int words = m->words;
    EACH(s, near, words) {
        if (!has(inside, s))
            continue;
        Set fresh;
        WORDS(i, words) {
            fresh[i] = given[i] & ~row(m, step, s)[i];
            if (fresh[i] & inside[i])
                return 0;
        }
        if (set_weight(m, fresh) > (has(full, s) ? room : 0))
            return 0;
    }
    return 1;
}

/* Whether v can go first without making others dearer, if it is as cheap as it can be: `goes_first`. */
static int goes_first(const Model *m, int v, const uint64_t *inside) {
    const uint64_t *into = row(m, m->sets[0], v), *out = row(m, m->sets[1], v);
    int64_t size = m->size[v];
    return bearable(m, into, m->sets[2], out, row(m, m->sets[3], v), inside, size) &&
           bearable(m, out, m->sets[3], into, row(m, m->sets[2], v), inside, has(m->kept, v) ? 0 : size);
}

int model_scan(Model *m, const uint64_t *inside, int64_t *last, int64_t *least, uint64_t *skip) {
    int words = m->words, failed = -1;
    const Look **ins = malloc((2 * (size_t)m->n + 1) * sizeof *ins), **outs = ins + m->n;
    if (!ins) {
        PyErr_NoMemory();
        return -1;
    }
    if (look_all(m, &m->side[0], inside, ins) < 0 || look_all(m, &m->side[1], inside, outs) < 0)
        goto done;
    clear_set(skip, words);
    EACH(v, inside, words) {
        last[v] = m->size[v] * ins[v]->weight * outs[v]->weight;
        least[v] = m->size[v] * ins[v]->cut * outs[v]->cut;
        if (ins[v]->cut == m->side[0].plain[v] && outs[v]->cut == m->side[1].plain[v] && goes_first(m, v, inside))
            put(skip, v);
    }
    if (same(skip, inside, words))
        WORDS(i, words) if (skip[i]) {
            skip[i] &= skip[i] - 1;
            break;
        }
    failed = 0;
done:
    free(ins);
    return failed;
}

int model_root(Model *m, const uint64_t *inside) {
    const Look **looks = malloc((2 * (size_t)m->n + 1) * sizeof *looks);
    int failed = -1;
    if (!looks) {
        PyErr_NoMemory();
        return -1;
    }
    if (look_all(m, &m->side[0], inside, looks) < 0 || look_all(m, &m->side[1], inside, looks + m->n) < 0)
        goto done;
    EACH(v, inside, m->words) for (int i = 0; i < 2; i++) m->side[i].floor[v] = looks[i * m->n + v]->cut;
    failed = 0;
done:
    free(looks);
    return failed;
}

int64_t model_least(Model *m, int v, const uint64_t *inside, const uint64_t *gone) {
    int64_t product = m->size[v];
    for (int k = 0; k < 2; k++) {
        Set reach, locked;
        reach_of(m, &m->side[k], v, inside, reach);
        WORDS(i, m->words) locked[i] = gone[i] & reach[i];
        int64_t cut = cut_of(m, &m->side[k], v, reach, locked, -1);
        if (cut < 0)
            return -1;
        product *= cut;
    }
    return product;
}

void model_part(const Model *m, const uint64_t *set, uint64_t *part) {
    int words = m->words;
    Set border;
    clear_set(part, words);
    clear_set(border, words);
    WORDS(i, words) if (set[i]) {
        border[i] = set[i] & (~set[i] + 1);
        break;
    }
    while (!is_empty(border, words)) {
        Set grown;
        clear_set(grown, words);
        EACH(u, border, words) {
            const uint64_t *near = row(m, m->sets[6], u);
            WORDS(i, words) grown[i] |= near[i];
        }
        WORDS(i, words) {
            part[i] |= border[i];
            border[i] = grown[i] & set[i] & ~part[i];
        }
    }
}
