/* Sorting and counting durations. */
#include "cli/latency.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int latencies_reserve(struct latencies *l, size_t n)
{
    const size_t wanted = n > LATENCY_MAX - l->n ? LATENCY_MAX : l->n + n;
    if (wanted <= l->capacity)
        return BPNET_OK;
    int64_t *ns = realloc(l->ns, wanted * sizeof(*ns));
    if (!ns)
        return error_set(BPNET_ENOMEM, "no memory for %zu durations", wanted);
    l->ns = ns;
    l->capacity = wanted;
    return BPNET_OK;
}

void latencies_add(struct latencies *l, int64_t ns)
{
    if (l->n < l->capacity)
        l->ns[l->n++] = ns;
}

int latencies_append(struct latencies *l, const struct latencies *more)
{
    const int err = latencies_reserve(l, more->n);
    for (size_t i = 0; err == 0 && i < more->n; i++)
        latencies_add(l, more->ns[i]);
    return err;
}

void latencies_free(struct latencies *l)
{
    free(l->ns);
    *l = (struct latencies){0};
}

static int by_length(const void *a, const void *b)
{
    const int64_t p = *(const int64_t *)a, q = *(const int64_t *)b;
    return p < q ? -1 : p > q;
}

static double percentile(const struct latencies *l, double share)
{
    const size_t rank = (size_t)ceil(share * (double)l->n);
    return (double)l->ns[rank > 0 ? rank - 1 : 0] * 1e-6;
}

/* What a neighbour on the machine does now and then should not decide; hence without the ends. */
static double variation(const struct latencies *l)
{
    const size_t cut = l->n / 20, n = l->n - 2 * cut;
    double sum = 0, squares = 0;
    for (size_t i = cut; i < cut + n; i++)
        sum += (double)l->ns[i];
    const double mean = sum / (double)n;
    for (size_t i = cut; i < cut + n; i++)
        squares += ((double)l->ns[i] - mean) * ((double)l->ns[i] - mean);
    return mean > 0 ? sqrt(squares / (double)n) / mean : 0;
}

struct latency_summary latencies_summarize(struct latencies *l)
{
    struct latency_summary s = {.n = l->n};
    if (l->n == 0)
        return s;
    qsort(l->ns, l->n, sizeof(*l->ns), by_length);
    double sum = 0;
    for (size_t i = 0; i < l->n; i++)
        sum += (double)l->ns[i];
    s.min = percentile(l, 0);
    s.max = percentile(l, 1);
    s.mean = sum / (double)l->n * 1e-6;
    s.median = percentile(l, 0.5);
    s.p90 = percentile(l, 0.9);
    s.p95 = percentile(l, 0.95);
    s.p99 = percentile(l, 0.99);
    s.variation = variation(l);
    return s;
}
