/* Two networks from one model, compared on pictures. */
#include "cli/export_quality.h"

#include "base/error.h"
#include "deploy/eight_bits.h"
#include "deploy/equalize.h"
#include "deploy/quantize.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORST = 5 };

static int prepare(struct network *net, const struct model *model, const struct build_options *how)
{
    struct ranges ranges = {0};
    struct channel_means means = {0};
    int err = network_lower(net, model, how->h, how->w);
    if (err < 0)
        return err;
    if (how->precision == BUILD_BF16)
        network_set_type(net, MAP_BF16);
    if (how->precision == BUILD_INT8)
        err = eight_bits(net, &ranges, &means, how);
    ranges_free(&ranges);
    channel_means_free(&means);
    if (err < 0)
        network_free(net);
    return err;
}

static int by_snr(const void *a, const void *b)
{
    const struct tensor_quality *x = a, *y = b;
    return (x->snr_db > y->snr_db) - (x->snr_db < y->snr_db);
}

static void print_text(struct quality *q)
{
    printf("outputs: signal to noise %.1f dB, cosine %.5f at least\n", quality_output_snr(q),
           quality_output_cosine(q));
    qsort(q->items, q->n, sizeof *q->items, by_snr);
    printf("%-40s %8s %9s\n", "least exact", "dB", "cosine");
    for (size_t i = 0; i < q->n && i < WORST; i++)
        printf("%-40.40s %8.1f %9.5f\n", q->items[i].name, q->items[i].snr_db, q->items[i].cosine);
}

static void print_json(const struct quality *q)
{
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    json_write_key(&w, "output_snr_db");
    json_write_number(&w, quality_output_snr(q));
    json_write_key(&w, "output_cosine");
    json_write_number(&w, quality_output_cosine(q));
    json_write_key(&w, "maps");
    quality_print(&w, q);
    json_end_object(&w);
    printf("\n");
}

int export_quality(const struct run *run, const struct model *model,
                   const struct build_options *how, const struct pictures *pictures)
{
    const struct quality_options options = {.level = how->level, .workers = how->workers};
    struct network exact = {0}, net = {0};
    struct quality quality = {0};
    int err;
    if ((err = network_lower(&exact, model, how->h, how->w)) == 0 &&
        (!how->ranges || (err = equalize(&exact, how->ranges)) == 0) &&
        (err = prepare(&net, model, how)) == 0 &&
        (err = quality_measure(&quality, &exact, &net, pictures, &options)) == 0) {
        if (run->common->json)
            print_json(&quality);
        else
            print_text(&quality);
    }
    quality_free(&quality);
    network_free(&net);
    network_free(&exact);
    return err;
}
