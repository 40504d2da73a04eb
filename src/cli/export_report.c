/* Files, accuracy, and what 8 bits do to maps and layers: as lines or as JSON. */
#include "cli/export_report.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WORST_MAPS = 5, WORST_LAYERS = 10, POINTS = 100 };

static const char *const kind_names[EXPORT_KINDS] = {[EXPORT_ONNX] = "onnx",
                                                     [EXPORT_SAFETENSORS] = "safetensors",
                                                     [EXPORT_ENGINE] = "engine",
                                                     [EXPORT_TABLE] = "calibration table",
                                                     [EXPORT_PICTURES] = "calibration pictures"};

void export_report_add(struct export_report *r, enum export_kind kind, const char *path,
                       bool dry_run)
{
    struct stat info;
    const bool there = !dry_run && stat(path, &info) == 0;
    if (r->n_files < EXPORT_KINDS)
        r->files[r->n_files++] = (struct export_file){path, kind, there ? info.st_size : -1};
}

int export_report_keep(struct export_report *r, const char *const *names, size_t n)
{
    char(*kept)[GRAPH_NAME_SIZE] = calloc(n + 1, sizeof *kept);
    if (!kept)
        return error_set(BPNET_ENOMEM, "no memory for the names of %zu layers", n);
    for (size_t i = 0; i < n; i++)
        snprintf(kept[i], sizeof kept[i], "%s", names[i]);
    free(r->kept);
    r->kept = kept;
    r->n_kept = n;
    return BPNET_OK;
}

void export_report_free(struct export_report *r)
{
    quality_free(&r->quality);
    sensitivity_free(&r->sensitivity);
    free(r->kept);
    *r = (struct export_report){0};
}

static bool is_kept(const struct export_report *r, const char *name)
{
    for (size_t i = 0; i < r->n_kept; i++)
        if (strcmp(r->kept[i], name) == 0)
            return true;
    return false;
}

/* ---- for people ---------------------------------------------------------------------------- */

static void print_accuracy(const struct export_report *r)
{
    printf("AP of floats %.4f, of %s %.4f: %+.2f points", r->ap_float,
           r->engine.n_steps > 0 ? "the engine" : "8 bits", r->ap_result,
           POINTS * (r->ap_result - r->ap_float));
    if (strcmp(r->precision, "int8") == 0)
        printf(", %zu convolutions in floats", r->n_kept);
    printf("\n");
}

static void print_sensitivity(const struct export_report *r)
{
    const struct sensitivity *s = &r->sensitivity;
    printf("%-32s %s\n", "most sensitive", "share of the outputs' error");
    for (size_t i = 0; i < s->n; i++) {
        const bool kept = is_kept(r, s->items[i].name);
        if (i < WORST_LAYERS || kept)
            printf("%-32s %6.1f %%%s\n", s->items[i].name, 100 * s->items[i].share,
                   kept ? "  kept in floats" : "");
    }
}

static int by_snr(const void *a, const void *b)
{
    const struct tensor_quality *x = a, *y = b;
    return (x->snr_db > y->snr_db) - (x->snr_db < y->snr_db);
}

static void print_quality(struct quality *q)
{
    printf("outputs: signal to noise %.1f dB, cosine %.5f at least\n", quality_output_snr(q),
           quality_output_cosine(q));
    qsort(q->items, q->n, sizeof *q->items, by_snr);
    printf("%-40s %8s %9s\n", "least exact", "dB", "cosine");
    for (size_t i = 0; i < q->n && i < WORST_MAPS; i++)
        printf("%-40.40s %8.1f %9.5f\n", q->items[i].name, q->items[i].snr_db, q->items[i].cosine);
}

static void print_file(const struct export_report *r, const struct export_file *f)
{
    if (f->bytes < 0)
        printf("would write %s\n", f->path);
    else if (f->kind == EXPORT_ENGINE)
        printf("%s: %s, %lld x %lld, %d steps, weights %.1f MB, maps %.1f MB\n", f->path,
               r->precision, (long long)r->h, (long long)r->w, r->engine.n_steps,
               (double)r->engine.weights_bytes / 1e6, (double)r->engine.maps_bytes / 1e6);
    else if (f->kind == EXPORT_ONNX || f->kind == EXPORT_SAFETENSORS)
        printf("%s: %.1f MB\n", f->path, (double)f->bytes / 1e6);
}

static void print_text(struct export_report *r)
{
    if (r->evaluated)
        print_accuracy(r);
    if (r->sensitivity.n > 0)
        print_sensitivity(r);
    if (r->quality.n > 0)
        print_quality(&r->quality);
    for (size_t i = 0; i < r->n_files; i++)
        print_file(r, &r->files[i]);
}

/* ---- for programs -------------------------------------------------------------------------- */

static void write_text(struct json_writer *w, const char *key, const char *text)
{
    json_write_key(w, key);
    json_write_string(w, text);
}

static void write_integer(struct json_writer *w, const char *key, int64_t value)
{
    json_write_key(w, key);
    json_write_integer(w, value);
}

static void write_number(struct json_writer *w, const char *key, double value)
{
    json_write_key(w, key);
    json_write_number(w, value);
}

static void write_files(struct json_writer *w, const struct export_report *r)
{
    json_write_key(w, "files");
    json_begin_array(w);
    for (size_t i = 0; i < r->n_files; i++) {
        const struct export_file *f = &r->files[i];
        json_begin_object(w);
        write_text(w, "path", f->path);
        write_text(w, "kind", kind_names[f->kind]);
        if (f->bytes >= 0)
            write_integer(w, "bytes", f->bytes);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_accuracy(struct json_writer *w, const struct export_report *r)
{
    if (!r->evaluated)
        return;
    write_number(w, "ap_float", r->ap_float);
    write_number(w, r->engine.n_steps > 0 ? "ap_engine" : "ap_int8", r->ap_result);
}

static void write_sensitivity(struct json_writer *w, const struct export_report *r)
{
    json_write_key(w, "kept_in_floats");
    json_begin_array(w);
    for (size_t i = 0; i < r->n_kept; i++)
        json_write_string(w, r->kept[i]);
    json_end_array(w);
    json_write_key(w, "sensitivity");
    json_begin_array(w);
    for (size_t i = 0; i < r->sensitivity.n; i++) {
        json_begin_object(w);
        write_text(w, "name", r->sensitivity.items[i].name);
        write_number(w, "share", r->sensitivity.items[i].share);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_quality(struct json_writer *w, const struct quality *q)
{
    if (q->n > 0) {
        write_number(w, "output_snr_db", quality_output_snr(q));
        write_number(w, "output_cosine", quality_output_cosine(q));
    }
    json_write_key(w, "maps");
    quality_print(w, q);
}

static void print_json(const struct export_report *r)
{
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    write_text(&w, "model", r->model);
    json_write_key(&w, "weights");
    if (*r->weights)
        json_write_string(&w, r->weights);
    else
        json_write_null(&w);
    write_text(&w, "precision", r->precision);
    json_write_key(&w, "input");
    json_begin_array(&w);
    json_write_integer(&w, r->h);
    json_write_integer(&w, r->w);
    json_end_array(&w);
    write_files(&w, r);
    if (r->engine.n_steps > 0) {
        write_integer(&w, "steps", r->engine.n_steps);
        write_integer(&w, "weights_bytes", (int64_t)r->engine.weights_bytes);
        write_integer(&w, "maps_bytes", (int64_t)r->engine.maps_bytes);
    }
    write_accuracy(&w, r);
    write_sensitivity(&w, r);
    write_quality(&w, &r->quality);
    json_end_object(&w);
    printf("\n");
}

void export_report_print(struct export_report *r, bool json)
{
    if (json)
        print_json(r);
    else
        print_text(r);
}
