/*
 * The loader is a pipeline whose items are batches: batch s holds the samples s * B … s * B + B - 1
 * of an endless sequence of epochs. Threads share the mapped record files and nothing that changes;
 * each keeps the order of the epoch it is in.
 */
#include "data/loader.h"

#include "base/error.h"
#include "base/pipeline.h"
#include "base/rng.h"
#include "base/str.h"
#include "data/coco_sources.h"
#include "data/order.h"
#include "data/sample.h"
#include "io/tfrecord.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 256, MAX_BATCH = 65536, SPARE_SLOTS = 2 };

struct record_file {
    struct tfrecord_reader reader;
    size_t *offsets;
    size_t n, first; /* records, and the number of the first */
};

/* What one prefetching thread keeps. */
struct loader_thread {
    struct sample_scratch scratch;
    struct order order; /* of `epoch`, once has_order */
    uint64_t epoch;
    bool has_order;
    struct str where;
};

struct loader {
    struct sample_setup setup;
    bool augments, shuffles;
    uint64_t seed;
    double *expected; /* visits of a record in an epoch; NULL: one each */
    struct record_file *files;
    size_t n_files, n_records;
    int batch_size;
    struct batch *batches;
    void **slots;
    size_t n_slots;
    struct loader_thread *threads;
    unsigned n_threads;
    struct pipeline *pipeline;
};

/* ---- samples ----------------------------------------------------------------------------- */

static void make_order(const struct loader *l, struct loader_thread *t, uint64_t epoch)
{
    if (t->has_order && t->epoch == epoch)
        return;
    order_make(&t->order, l->expected, l->shuffles, l->seed, epoch);
    t->epoch = epoch;
    t->has_order = true;
}

/* The file of record number `index`. */
static const struct record_file *file_of(const struct loader *l, size_t index)
{
    const struct record_file *file = l->files;
    while (index - file->first >= file->n)
        file++;
    return file;
}

static int read_record(struct record *out, const struct loader *l, struct loader_thread *t,
                       size_t index)
{
    const struct record_file *file = file_of(l, index);
    const size_t number = index - file->first;
    const uint8_t *bytes;
    size_t size, next;
    int err = tfrecord_at(&file->reader, file->offsets[number], &bytes, &size, &next);
    if (err < 0)
        return err;
    str_clear(&t->where);
    str_printf(&t->where, "%s: record %zu", file->reader.path, number);
    if ((err = str_status(&t->where)) < 0)
        return err;
    return record_unpack(out, bytes, size, str_text(&t->where));
}

/* The stream of a visit's augmentation: its own, or that of the view whose turn it is. */
static struct rng draws_of(const struct loader *l, const struct batch *b, int k, uint64_t epoch,
                           struct visit visit)
{
    const uint64_t views = (uint64_t)l->setup.spec->augmentation.views;
    if (!b->view)
        return rng_stream(l->seed, epoch, visit.record | (uint64_t)visit.copy << 32);
    const uint64_t view = (epoch + visit.copy) % views;
    b->view[k] = visit.record * views + view;
    return rng_stream(l->seed, view, visit.record);
}

/* Sample k of the batch: a visit of a record in `epoch`. */
static int fill_sample(const struct loader *l, struct loader_thread *t, const struct batch *b,
                       int k, uint64_t epoch, struct visit visit)
{
    struct record record;
    int err = read_record(&record, l, t, visit.record);
    if (err < 0)
        return err;
    const size_t i = (size_t)k, pixels = (size_t)b->image_h * (size_t)b->image_w;
    const size_t cells = (size_t)b->label_h * (size_t)b->label_w;
    const size_t heat = i * cells * (size_t)b->heat_channels;
    const size_t paf = i * cells * (size_t)b->paf_channels;
    const struct label_maps maps = {b->heat + heat, b->heat_mask + heat, b->paf + paf,
                                    b->paf_mask + paf};
    struct rng rng = draws_of(l, b, k, epoch, visit);
    err = sample_make(b->image + i * pixels * 3, &maps, b->trust + i * cells, &l->setup,
                      &t->scratch, &record, l->augments ? &rng : NULL, str_text(&t->where));
    record_free(&record);
    return err;
}

static int fill_batch(void *ctx, void *slot, uint64_t sequence, unsigned thread)
{
    struct loader *l = ctx;
    struct loader_thread *t = &l->threads[thread];
    const struct batch *b = slot;
    int err = BPNET_OK;
    for (int k = 0; err == 0 && k < b->n; k++) {
        const uint64_t at = sequence * (uint64_t)b->n + (uint64_t)k;
        make_order(l, t, at / l->n_records);
        err = fill_sample(l, t, b, k, at / l->n_records, t->order.visits[at % l->n_records]);
    }
    return err;
}

/* ---- opening ----------------------------------------------------------------------------- */

static int open_files(struct loader *l, const struct loader_options *o)
{
    const struct dataloader_spec *spec = o->spec;
    const char *folder =
        o->validation ? spec->val_records_folder_path : spec->train_records_folder_path;
    char *const *names = o->validation ? spec->val_records : spec->train_records;
    const size_t n = o->validation ? spec->n_val_records : spec->n_train_records;
    if (n == 0)
        return error_set(BPNET_ECONFIG, "dataset_config.%s names no file",
                         o->validation ? "val_records_path" : "train_records_path");
    l->files = calloc(n, sizeof(*l->files));
    if (!l->files)
        return error_set(BPNET_ENOMEM, "no memory for %zu record files", n);
    for (size_t i = 0; i < n; i++) {
        struct record_file *file = &l->files[l->n_files++];
        char *path = path_join(folder, names[i]);
        int err = path ? tfrecord_open(&file->reader, path) : BPNET_ENOMEM;
        free(path);
        if (err < 0 || (err = tfrecord_index(&file->reader, &file->offsets, &file->n)) < 0)
            return err;
        file->first = l->n_records;
        l->n_records += file->n;
    }
    if (l->n_records == 0)
        return error_set(BPNET_EFORMAT, "%s: there are no records in it%s", l->files[0].reader.path,
                         n > 1 ? " or the other files" : "");
    if (l->n_records > UINT32_MAX)
        return error_set(BPNET_ELIMIT, "%zu records", l->n_records);
    return BPNET_OK;
}

static int check_batch_size(struct loader *l, const struct loader_options *o)
{
    l->batch_size = o->batch_size ? o->batch_size : o->spec->batch_size;
    if (l->batch_size < 1 || l->batch_size > MAX_BATCH)
        return error_set(BPNET_ECONFIG, "batch_size is %d, expected 1 to %d", l->batch_size,
                         MAX_BATCH);
    if ((size_t)l->batch_size > l->n_records)
        return error_set(BPNET_ECONFIG, "batch_size is %d, but %s%s has only %zu records",
                         l->batch_size, l->files[0].reader.path,
                         l->n_files > 1 ? " with the other files" : "", l->n_records);
    return BPNET_OK;
}

/* ---- sampling weights -------------------------------------------------------------------- */

/* Does a name of sampling_weights mean this record? */
static bool names_record(const char *name, const struct record *r, const char *file)
{
    return source_is(r->source ? r->source : "", name) || strcmp(name, r->dataset) == 0 ||
           strcmp(name, file) == 0;
}

/* The weight of a record of the file; `used` counts what every name was good for. */
static double weight_of(const struct dataloader_spec *spec, const struct record *r,
                        const char *file, size_t *used)
{
    for (size_t i = 0; i < spec->n_sampling_weights; i++)
        if (names_record(spec->sampling_weights[i].name, r, file)) {
            used[i]++;
            return spec->sampling_weights[i].value;
        }
    return 1;
}

static int weigh_records(struct loader *l, double *total, size_t *used)
{
    const struct dataloader_spec *spec = l->setup.spec;
    struct loader_thread *t = &l->threads[0];
    for (size_t i = 0; i < l->n_records; i++) {
        struct record record;
        const int err = read_record(&record, l, t, i);
        if (err < 0)
            return err;
        const size_t file = (size_t)(file_of(l, i) - l->files);
        l->expected[i] = weight_of(spec, &record, spec->train_records[file], used);
        *total += l->expected[i];
        record_free(&record);
    }
    for (size_t i = 0; i < spec->n_sampling_weights; i++)
        if (used[i] == 0)
            return error_set(BPNET_ECONFIG,
                             "dataset_config.sampling_weights: '%s' is the source, dataset or file "
                             "of no record",
                             spec->sampling_weights[i].name);
    return *total > 0 ? BPNET_OK
                      : error_set(BPNET_ECONFIG,
                                  "dataset_config.sampling_weights: no record has a weight");
}

/* Every record is looked at once. */
static int set_expected(struct loader *l, const struct loader_options *o)
{
    const size_t n = o->spec->n_sampling_weights;
    double total = 0;
    if (o->validation || n == 0)
        return BPNET_OK;
    size_t *used = calloc(n, sizeof *used);
    l->expected = calloc(l->n_records, sizeof *l->expected);
    int err = used && l->expected
                  ? weigh_records(l, &total, used)
                  : error_set(BPNET_ENOMEM, "no memory for %zu weights", l->n_records);
    for (size_t i = 0; err == 0 && i < l->n_records; i++)
        l->expected[i] *= (double)l->n_records / total;
    free(used);
    return err;
}

/* ---- memory ------------------------------------------------------------------------------ */

static int alloc_floats(float **out, const struct batch *b, int h, int w, int channels)
{
    const size_t n = (size_t)b->n * (size_t)h * (size_t)w * (size_t)channels;
    *out = calloc(n, sizeof(**out));
    return *out ? BPNET_OK : error_set(BPNET_ENOMEM, "no memory for a batch of %d", b->n);
}

static int alloc_batch(struct batch *b, const struct loader *l)
{
    const struct dataloader_spec *spec = l->setup.spec;
    *b = (struct batch){.n = l->batch_size,
                        .image_h = spec->image_h,
                        .image_w = spec->image_w,
                        .label_h = l->setup.shape.h,
                        .label_w = l->setup.shape.w,
                        .heat_channels = skeleton_heat_channels(l->setup.skeleton),
                        .paf_channels = skeleton_paf_channels(l->setup.skeleton)};
    int err;
    if ((err = alloc_floats(&b->image, b, b->image_h, b->image_w, 3)) < 0 ||
        (err = alloc_floats(&b->heat, b, b->label_h, b->label_w, b->heat_channels)) < 0 ||
        (err = alloc_floats(&b->heat_mask, b, b->label_h, b->label_w, b->heat_channels)) < 0 ||
        (err = alloc_floats(&b->paf, b, b->label_h, b->label_w, b->paf_channels)) < 0 ||
        (err = alloc_floats(&b->paf_mask, b, b->label_h, b->label_w, b->paf_channels)) < 0)
        return err;
    const bool views = l->augments && spec->augmentation.views > 0;
    b->trust = calloc((size_t)b->n, (size_t)b->label_h * (size_t)b->label_w);
    b->view = views ? calloc((size_t)b->n, sizeof *b->view) : NULL;
    return b->trust && (b->view || !views)
               ? BPNET_OK
               : error_set(BPNET_ENOMEM, "no memory for a batch of %d", b->n);
}

static int alloc_threads(struct loader *l, unsigned n)
{
    if (n < 1 || n > MAX_THREADS)
        return error_set(BPNET_EUSAGE, "%u loader threads, expected 1 to %d", n, MAX_THREADS);
    l->n_slots = n + SPARE_SLOTS;
    l->threads = calloc(n, sizeof(*l->threads));
    l->batches = calloc(l->n_slots, sizeof(*l->batches));
    l->slots = calloc(l->n_slots, sizeof(*l->slots));
    if (!l->threads || !l->batches || !l->slots)
        return error_set(BPNET_ENOMEM, "no memory for %u loader threads", n);
    l->n_threads = n;
    int err = BPNET_OK;
    for (unsigned i = 0; err == 0 && i < n; i++) {
        err = sample_scratch_init(&l->threads[i].scratch, &l->setup.shape);
        if (err == 0)
            err = order_init(&l->threads[i].order, l->n_records);
    }
    for (size_t i = 0; err == 0 && i < l->n_slots; i++) {
        err = alloc_batch(&l->batches[i], l);
        l->slots[i] = &l->batches[i];
    }
    return err;
}

int loader_open(struct loader **out, const struct loader_options *o)
{
    *out = NULL;
    struct loader *l = calloc(1, sizeof(*l));
    if (!l)
        return error_set(BPNET_ENOMEM, "no memory for a loader");
    l->seed = o->seed;
    l->augments = !o->validation;
    l->shuffles = !o->validation && o->spec->shuffle_buffer_size != 1;
    int err;
    if ((err = sample_setup_init(&l->setup, o->spec, o->skeleton)) < 0 ||
        (err = open_files(l, o)) < 0 || (err = check_batch_size(l, o)) < 0 ||
        (err = alloc_threads(l, o->threads)) < 0 || (err = set_expected(l, o)) < 0 ||
        (err = pipeline_open(&l->pipeline, l->slots, l->n_slots, o->threads, o->first_step,
                             fill_batch, l)) < 0) {
        loader_close(l);
        return err;
    }
    *out = l;
    return BPNET_OK;
}

static void free_batch(struct batch *b)
{
    free(b->image);
    free(b->heat);
    free(b->heat_mask);
    free(b->paf);
    free(b->paf_mask);
    free(b->trust);
    free(b->view);
}

void loader_close(struct loader *l)
{
    if (!l)
        return;
    pipeline_close(l->pipeline);
    for (unsigned i = 0; i < l->n_threads; i++) {
        sample_scratch_free(&l->threads[i].scratch);
        order_free(&l->threads[i].order);
        str_free(&l->threads[i].where);
    }
    for (size_t i = 0; l->batches && i < l->n_slots; i++)
        free_batch(&l->batches[i]);
    for (size_t i = 0; i < l->n_files; i++) {
        tfrecord_close(&l->files[i].reader);
        free(l->files[i].offsets);
    }
    free(l->threads);
    free(l->batches);
    free(l->slots);
    free(l->files);
    free(l->expected);
    sample_setup_free(&l->setup);
    free(l);
}

size_t loader_n_records(const struct loader *l)
{
    return l->n_records;
}

int loader_next(struct loader *l, const struct batch **out)
{
    void *slot;
    const int err = pipeline_next(l->pipeline, &slot);
    *out = slot;
    return err;
}
