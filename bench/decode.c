/*
 * How long decoding takes: sub-pixel peaks, and the original's two methods in windows against whole
 * maps. Usage: bench_decode [seconds per row]. One thread; medians in microseconds.
 */
#include "pose/decode.h"
#include "base/clock.h"
#include "pose/plain_decode.h"
#include "pose/synthetic.h"

#include <stdio.h>

enum { H = 36, W = 48, FACTOR = 8, MAX_ROUNDS = 1000 };

struct job {
    struct skeleton skeleton;
    struct predict_options options;
    struct field field;
    struct decoder decoder;
    struct people people;
};

static void run_windows(struct job *job)
{
    if (decoder_run(&job->decoder, &job->field, &job->skeleton, &job->options, NULL, &job->people) <
        0)
        abort();
}

/* Peaks from whole upsampled maps; and whole upsampled fields, which the links would need. */
static void run_plain(struct job *job)
{
    const struct maps *m = &job->field.maps[0];
    for (int j = 0; j < job->skeleton.n_joints; j++) {
        struct peak peaks[PEAKS_MAX];
        plain_peaks(peaks, m, j, FACTOR, FACTOR, job->options.peaks, job->options.heat_threshold);
    }
    for (int c = 0; c < m->paf_channels; c++)
        free(plain_upsample(m->paf + c, H, W, m->paf_pitch, FACTOR, FACTOR));
}

static int by_time(const void *a, const void *b)
{
    const int64_t p = *(const int64_t *)a, q = *(const int64_t *)b;
    return p < q ? -1 : p > q;
}

static double median_us(void (*run)(struct job *), struct job *job, double seconds)
{
    int64_t times[MAX_ROUNDS];
    int n = 0;
    for (const int64_t start = clock_ns(); n < 3 || clock_seconds_since(start) < seconds;) {
        const int64_t begin = clock_ns();
        run(job);
        times[n++] = clock_ns() - begin;
        if (n == MAX_ROUNDS)
            break;
    }
    qsort(times, (size_t)n, sizeof(times[0]), by_time);
    return (double)times[n / 2] * 1e-3;
}

static void add_people(struct people *people, int n)
{
    struct rng rng = rng_stream(1, (uint64_t)n, 0);
    for (int i = 0; i < n; i++) {
        const float height = (float)(n == 1 ? 250 : rng_range(&rng, 60, 200));
        synthetic_person(people_add(people), (float)rng_range(&rng, 40, 340),
                         (float)rng_range(&rng, 5, 280 - (double)height), height);
    }
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.5;
    static const int people[] = {0, 1, 10, 30};
    static struct job job;
    skeleton_default(&job.skeleton);
    job.field.n = 1;
    job.people.n_joints = job.skeleton.n_joints;
    printf("%7s %7s %9s %11s %11s %11s %9s\n", "people", "found", "subpixel", "method",
           "windows us", "plain us", "ratio");
    for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
        struct people truth = {.n_joints = job.skeleton.n_joints};
        add_people(&truth, people[i]);
        struct synthetic m = synthetic_render(&job.skeleton, H, W, &truth);
        struct rng rng = rng_stream(2, 0, 0);
        for (int k = 0; k < H * W * 19; k++)
            m.heat[k] += (float)rng_range(&rng, -0.01, 0.02);
        job.field.maps[0] = m.maps;
        predict_options_default(&job.options);
        const double subpixel = median_us(run_windows, &job, seconds);
        const int found = job.people.n_people;
        for (int method = PEAKS_FRAMEWORK; method <= PEAKS_ENGINE; method++) {
            job.options.peaks = (enum peak_method)method;
            if (grid_axis_upsample(&job.field.x[0], W, FACTOR, job.options.peaks) < 0 ||
                grid_axis_upsample(&job.field.y[0], H, FACTOR, job.options.peaks) < 0)
                return 1;
            const double windows = median_us(run_windows, &job, seconds);
            const double plain = median_us(run_plain, &job, seconds);
            printf("%7d %7d %9.0f %11s %11.0f %11.0f %9.1f\n", people[i], found, subpixel,
                   method == PEAKS_FRAMEWORK ? "framework" : "engine", windows, plain,
                   plain / windows);
        }
        synthetic_free(&m);
        people_free(&truth);
    }
    people_free(&job.people);
    decoder_free(&job.decoder);
    field_free(&job.field);
    return 0;
}
