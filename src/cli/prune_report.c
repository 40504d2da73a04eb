/* The table of a pruned network. */
#include "cli/prune_report.h"

#include "base/error.h"
#include "base/log.h"
#include "nn/op.h"
#include "prune/rebuild.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- counting ------------------------------------------------------------------------------ */

static size_t node_parameters(const struct graph *g, int node)
{
    const struct op_row *row = op_rows[g->nodes[node].op];
    size_t total = 0;
    for (int role = 0; row->shape && role < PARAM_ROLES; role++) {
        int dims[4] = {1, 1, 1, 1};
        const int n = row->shape(g, &g->nodes[node], (enum param_role)role, dims);
        if (n > 0)
            total += (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2] * (size_t)dims[3];
    }
    return total;
}

/* The row that a node's figures belong to: that of the convolution it directly follows. */
static int row_of(const struct graph *g, const int *rows, int node)
{
    const struct node *n = &g->nodes[node];
    if (node_is_scored(n) || n->n_inputs == 0 || node_relation(g, n) != CHANNELS_PASSED)
        return -1;
    return rows[n->inputs[0]];
}

static void add_node(struct prune_report *r, int *rows, int node, const struct graph *after,
                     const int64_t *macs[2])
{
    const struct graph *graphs[2] = {r->graph, after};
    rows[node] = row_of(r->graph, rows, node);
    if (rows[node] < 0) {
        if (node_parameters(r->graph, node) == 0)
            return;
        rows[node] = r->n_rows;
        r->rows[r->n_rows++] = (struct prune_row){.node = node};
    }
    struct prune_row *row = &r->rows[rows[node]];
    for (int k = 0; k < 2; k++) {
        row->filters[k] = graphs[k]->nodes[node].channels;
        row->parameters[k] += node_parameters(graphs[k], node);
        row->macs[k] += macs[k][node];
    }
}

/* What the groups say of a row; a batch norm on its own has no filters that count. */
static void finish_row(struct prune_report *r, struct prune_row *row,
                       const struct channel_groups *groups)
{
    row->whole = groups->list[groups->of[row->node]].whole;
    for (int k = 0; k < 2 && node_is_scored(&r->graph->nodes[row->node]); k++)
        r->filters[k] += row->filters[k];
}

/* Layers of stages that are left away have no row, but they were there before. */
static int count_whole(struct prune_report *r, const struct model *whole, const struct model *m)
{
    r->stages[0] = whole->meta.stages;
    r->stages[1] = m->meta.stages;
    if (whole == m)
        return BPNET_OK;
    r->filters[0] = 0;
    for (int i = 0; i < whole->graph.n_nodes; i++)
        if (node_is_scored(&whole->graph.nodes[i]))
            r->filters[0] += whole->graph.nodes[i].channels;
    return prune_cost_of(&r->before, &whole->graph, r->h, r->w);
}

int prune_report_make(struct prune_report *r, const struct model *whole, const struct model *m,
                      const struct pruner *p, const struct prune_plan *plan,
                      const struct prune_options *options)
{
    const size_t n = (size_t)m->graph.n_nodes;
    const struct channel_groups *groups = pruner_groups(p);
    struct graph after = {0};
    int *rows = calloc(n, sizeof(*rows));
    int64_t *macs = calloc(2 * n, sizeof(*macs));
    *r = (struct prune_report){.graph = &m->graph,
                               .h = options->input_h,
                               .w = options->input_w,
                               .rows = calloc(n, sizeof(*r->rows)),
                               .before = pruner_cost(p),
                               .after = plan->cost};
    int err = rows && macs && r->rows ? rebuild_graph(&after, &m->graph, plan->count)
                                      : error_set(BPNET_ENOMEM, "no memory for a report");
    if (err == 0 && (graph_macs(&m->graph, r->h, r->w, macs) < 0 ||
                     graph_macs(&after, r->h, r->w, macs + n) < 0))
        err = BPNET_EUSAGE;
    for (int i = 0; err == 0 && i < m->graph.n_nodes; i++)
        add_node(r, rows, i, &after, (const int64_t *[2]){macs, macs + n});
    for (int i = 0; err == 0 && i < r->n_rows; i++)
        finish_row(r, &r->rows[i], groups);
    if (err == 0)
        err = count_whole(r, whole, m);
    graph_free(&after);
    free(rows);
    free(macs);
    if (err < 0)
        prune_report_free(r);
    return err;
}

void prune_report_free(struct prune_report *r)
{
    free(r->rows);
    *r = (struct prune_report){0};
}

/* ---- for people ---------------------------------------------------------------------------- */

static const char *const reasons[WHOLE_REASONS] = {
    [WHOLE_NOT] = "",
    [WHOLE_OUTPUT] = "output",
    [WHOLE_EXCLUDED] = "excluded",
    [WHOLE_INPUT] = "input",
    [WHOLE_JOINED] = "joined with a concatenation",
    [WHOLE_GROUPED] = "in groups",
};

static double percent(double now, double before)
{
    return before > 0 ? 100 * now / before : 100;
}

static void print_pair(double before, double after)
{
    printf("  %11.0f -> %11.0f %5.1f %%", before, after, percent(after, before));
}

static void print_row(const struct graph *g, const struct prune_row *r)
{
    printf("%-34s %4d -> %4d %5.1f %%", g->nodes[r->node].name, r->filters[0], r->filters[1],
           percent(r->filters[1], r->filters[0]));
    print_pair((double)r->parameters[0], (double)r->parameters[1]);
    print_pair((double)r->macs[0], (double)r->macs[1]);
    if (reasons[r->whole][0])
        printf("  %s", reasons[r->whole]);
    printf("\n");
}

void prune_report_print(const struct prune_report *r, bool totals_only)
{
    if (!totals_only) {
        printf("%-34s %20s  %34s  %34s\n", "layer", "filters", "parameters",
               "multiply-accumulates");
        for (int i = 0; i < r->n_rows; i++)
            print_row(r->graph, &r->rows[i]);
        printf("\n");
    }
    if (r->stages[0] != r->stages[1])
        printf("%-11s %d -> %d\n", "stages", r->stages[0], r->stages[1]);
    printf("%-11s %d -> %d, %.2f %% remain\n", "filters", r->filters[0], r->filters[1],
           percent(r->filters[1], r->filters[0]));
    printf("%-11s %zu -> %zu, %.2f %% remain\n", "parameters", r->before.parameters,
           r->after.parameters, percent((double)r->after.parameters, (double)r->before.parameters));
    printf("%-11s %.4g G -> %.4g G at %dx%d, %.2f %% remain\n", "MACs",
           (double)r->before.macs * 1e-9, (double)r->after.macs * 1e-9, r->h, r->w,
           percent((double)r->after.macs, (double)r->before.macs));
}

void prune_report_groups(const struct graph *g, const struct pruner *p)
{
    const struct channel_groups *groups = pruner_groups(p);
    for (int k = 0; k < groups->n; k++) {
        struct str names = {0};
        int n = 0;
        for (int i = 0; i < g->n_nodes; i++)
            if (groups->of[i] == k && node_is_scored(&g->nodes[i]))
                str_printf(&names, "%s%s", n++ ? ", " : "", g->nodes[i].name);
        const enum whole_reason whole = groups->list[k].whole;
        if (n > 1)
            log_info("one group: %s%s%s", str_text(&names), whole ? "; whole: " : "",
                     reasons[whole]);
        str_free(&names);
    }
}

/* ---- for programs -------------------------------------------------------------------------- */

static void write_pair(struct json_writer *w, const char *key, int64_t before, int64_t after)
{
    json_write_key(w, key);
    json_begin_object(w);
    json_write_key(w, "before");
    json_write_integer(w, before);
    json_write_key(w, "after");
    json_write_integer(w, after);
    json_write_key(w, "ratio");
    json_write_number(w, percent((double)after, (double)before) / 100);
    json_end_object(w);
}

void prune_report_write(struct json_writer *w, const struct prune_report *r)
{
    json_write_key(w, "layers");
    json_begin_array(w);
    for (int i = 0; i < r->n_rows; i++) {
        const struct prune_row *row = &r->rows[i];
        json_begin_object(w);
        json_write_key(w, "name");
        json_write_string(w, r->graph->nodes[row->node].name);
        write_pair(w, "filters", row->filters[0], row->filters[1]);
        write_pair(w, "parameters", (int64_t)row->parameters[0], (int64_t)row->parameters[1]);
        write_pair(w, "macs", row->macs[0], row->macs[1]);
        json_write_key(w, "whole_because");
        if (row->whole)
            json_write_string(w, reasons[row->whole]);
        else
            json_write_null(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_write_key(w, "total");
    json_begin_object(w);
    write_pair(w, "parameters", (int64_t)r->before.parameters, (int64_t)r->after.parameters);
    write_pair(w, "macs", r->before.macs, r->after.macs);
    write_pair(w, "filters", r->filters[0], r->filters[1]);
    write_pair(w, "stages", r->stages[0], r->stages[1]);
    json_end_object(w);
}
