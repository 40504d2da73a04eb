/* An engine file for people and for programs: its steps, kernels, types, memory, times. */
#include "cli/inspect_engine.h"

#include "base/error.h"
#include "engine/engine.h"
#include "io/json.h"

#include <stdio.h>
#include <string.h>

const char *short_number(char text[16], double v)
{
    static const char units[] = " kMGT";
    int unit = 0;
    while (v >= 1000 && units[unit + 1]) {
        v /= 1000;
        unit++;
    }
    if (unit == 0)
        snprintf(text, 16, "%.0f", v);
    else
        snprintf(text, 16, "%.*f %c", v < 10 ? 2 : v < 100 ? 1 : 0, v, units[unit]);
    return text;
}

/* What is printed about. */
struct subject {
    const struct container *file;
    const char *path;
    const struct engine *engine;
    const struct engine_info *info;
    struct json *report; /* NULL: none */
};

static int64_t total_macs(const struct subject *s)
{
    int64_t sum = 0;
    for (int i = 0; i < s->info->n_steps; i++)
        sum += engine_step(s->engine, i).macs;
    return sum;
}

/* Microseconds of a step in the report, or 0. */
static double step_time(const struct subject *s, int index)
{
    return json_as_number(
        json_get(json_at(json_get(s->report, "layers"), (size_t)index), "microseconds"));
}

static double whole_time(const struct subject *s)
{
    return json_as_number(json_get(s->report, "milliseconds"));
}

/* ---- for people -------------------------------------------------------------------------- */

static void print_head(const struct subject *s)
{
    const struct engine_info *info = s->info;
    char number[16];
    printf("%-11s %s, %sB:", s->file->kind, s->path,
           short_number(number, (double)s->file->file.size));
    for (uint32_t i = 0; i < s->file->n_sections; i++) {
        size_t size;
        const char *name = container_section_name(s->file, i, &size);
        printf("%s %s %sB", i ? "," : "", name, short_number(number, (double)size));
    }
    printf("\n");
    if (*info->description)
        printf("%-11s %s\n", "about", info->description);
    if (info->skeleton->n_joints > 0)
        printf("%-11s %s: %d joints, %d limbs\n", "skeleton", info->skeleton->type,
               info->skeleton->n_joints, info->skeleton->n_limbs);
    printf("%-11s %dx%d, RGB / %g - %g, stride %d\n", "input", info->input_h, info->input_w,
           (double)info->scale[0], (double)info->offset[0], info->stride);
    printf("%-11s %s, needs %s\n", "precision", info->precision, cpu_level_name(info->level));
    printf("%-11s %s\n", "built on", *info->cpu ? info->cpu : "an unknown CPU");
}

static void print_steps(const struct subject *s)
{
    printf("\n%-34s %-10s %-22s %-9s %-15s %7s %9s\n", "step", "kind", "kernel", "types",
           "height x width", "MACs", "us");
    for (int i = 0; i < s->info->n_steps; i++) {
        const struct engine_step_info step = engine_step(s->engine, i);
        char types[16], shape[48], number[16] = "";
        snprintf(types, sizeof types, "%s>%s", map_type_names[step.in], map_type_names[step.out]);
        snprintf(shape, sizeof shape, "%dx%dx%d", step.h, step.w, step.channels);
        if (step.macs > 0)
            short_number(number, (double)step.macs);
        printf("%-34s %-10s %-22s %-9s %-15s %7s", step.name, step.kind, step.kernel, types, shape,
               number);
        if (step_time(s, i) > 0)
            printf(" %9.1f", step_time(s, i));
        printf("\n");
    }
}

static void print_totals(const struct subject *s)
{
    char number[16];
    printf("\n%-11s %d\n", "steps", s->info->n_steps);
    printf("%-11s %s\n", "MACs", short_number(number, (double)total_macs(s)));
    printf("%-11s %sB\n", "weights", short_number(number, (double)s->info->weights_bytes));
    printf("%-11s %sB a context, with one thread\n", "memory",
           short_number(number, (double)s->info->workspace_bytes));
    if (whole_time(s) > 0)
        printf("%-11s %.2f ms when it was built, %d threads\n", "time", whole_time(s),
               (int)json_as_integer(json_get(s->report, "threads")));
}

/* ---- for programs ------------------------------------------------------------------------ */

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

static void write_step(struct json_writer *w, const struct subject *s, int index)
{
    const struct engine_step_info step = engine_step(s->engine, index);
    const int shape[] = {step.h, step.w, step.channels};
    json_begin_object(w);
    write_text(w, "name", step.name);
    write_text(w, "kind", step.kind);
    write_text(w, "kernel", step.kernel);
    write_text(w, "in", map_type_names[step.in]);
    write_text(w, "out", map_type_names[step.out]);
    json_write_key(w, "shape");
    json_begin_array(w);
    for (int k = 0; k < 3; k++)
        json_write_integer(w, shape[k]);
    json_end_array(w);
    write_integer(w, "macs", step.macs);
    write_integer(w, "bytes_read", (int64_t)step.bytes_read);
    write_integer(w, "bytes_written", (int64_t)step.bytes_written);
    if (step_time(s, index) > 0) {
        json_write_key(w, "microseconds");
        json_write_number(w, step_time(s, index));
    }
    json_end_object(w);
}

static void print_json(const struct subject *s, bool steps)
{
    const struct engine_info *info = s->info;
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    write_text(&w, "file", s->path);
    write_text(&w, "kind", s->file->kind);
    write_text(&w, "skeleton", info->skeleton->type);
    write_integer(&w, "stride", info->stride);
    write_integer(&w, "input_height", info->input_h);
    write_integer(&w, "input_width", info->input_w);
    write_text(&w, "precision", info->precision);
    write_text(&w, "level", cpu_level_name(info->level));
    write_text(&w, "cpu", info->cpu);
    write_integer(&w, "macs", total_macs(s));
    write_integer(&w, "weights_bytes", (int64_t)info->weights_bytes);
    write_integer(&w, "memory_bytes", (int64_t)info->workspace_bytes);
    if (whole_time(s) > 0) {
        json_write_key(&w, "milliseconds");
        json_write_number(&w, whole_time(s));
    }
    if (steps) {
        json_write_key(&w, "steps");
        json_begin_array(&w);
        for (int i = 0; i < info->n_steps; i++)
            write_step(&w, s, i);
        json_end_array(&w);
    }
    json_end_object(&w);
    printf("\n");
}

int inspect_engine(const struct run *run, const struct container *file, const char *path,
                   bool summary)
{
    struct engine *engine;
    int err = engine_open_memory(&engine, file->file.bytes, file->file.size, path, run->cpu);
    if (err < 0)
        return err;
    struct subject s = {.file = file, .path = path, .engine = engine, .info = engine_info(engine)};
    if (*s.info->report &&
        (err = json_parse(&s.report, s.info->report, strlen(s.info->report), path)) < 0)
        goto done;
    if (run->common->json) {
        print_json(&s, !summary);
    } else {
        print_head(&s);
        if (!summary)
            print_steps(&s);
        print_totals(&s);
    }
done:
    json_free(s.report);
    engine_close(engine);
    return err;
}
