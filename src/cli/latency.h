/* Durations of many runs, and what is said of them. */
#ifndef CLI_LATENCY_H
#define CLI_LATENCY_H

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds each; grows to LATENCY_MAX, later runs are only counted. Zero-initialise. */
struct latencies {
    int64_t *ns;
    size_t n, capacity;
};

enum { LATENCY_MAX = 1 << 22 };

int latencies_reserve(struct latencies *l, size_t n); /* so that adding n takes no memory */
void latencies_add(struct latencies *l, int64_t ns);  /* dropped where there is no room */
int latencies_append(struct latencies *l, const struct latencies *more);
void latencies_free(struct latencies *l); /* a zeroed one is allowed */

/* In milliseconds. A percentile is the smallest value that so many are not above. */
struct latency_summary {
    size_t n;
    double min, max, mean, median, p90, p95, p99;
    double
        variation; /* standard deviation / mean of the runs between the 5th and 95th percentile */
};

/* Sorts them; all zero when there are none. */
struct latency_summary latencies_summarize(struct latencies *l);

#endif
