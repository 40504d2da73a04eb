/* What a benchmark found out, and how it is told. */
#ifndef CLI_BENCHMARK_REPORT_H
#define CLI_BENCHMARK_REPORT_H

#include "cli/latency.h"
#include "cli/runner.h"

enum stage {
    STAGE_DECODE,      /* file to pixels, as many as the network needs, or all to draw on */
    STAGE_PREPROCESS,  /* letterbox, resize */
    STAGE_COMPUTE,     /* the network */
    STAGE_POSTPROCESS, /* maps to people */
    STAGE_WRITE,       /* people to JSON text */
    STAGE_DRAW,        /* where asked for */
    N_STAGES
};

struct stage_times {
    int64_t ns[N_STAGES]; /* summed over the pictures */
    int64_t n_pictures, n_people;
    bool drawn; /* otherwise STAGE_DRAW was not run */
};

struct benchmark {
    struct runnable runnable;
    int streams, batch;
    unsigned threads;               /* of a stream */
    double throughput;              /* pictures a second, all streams together */
    struct latency_summary latency; /* of a run, which is a batch */
    struct stage_times stages;      /* no pictures: not timed */
    struct runner_step *steps;      /* NULL: no profile */
    size_t n_steps;
    double ceilings[MAP_TYPES]; /* multiply-accumulates a second of one thread; 0: unknown */
    size_t weights, maps;       /* bytes */
};

/* Print it; the profile goes to `profile` ("-": standard output, too; NULL: nowhere). */
int benchmark_report(const struct benchmark *b, const char *profile, bool json);

#endif
