/* Parts of maps: some of the channels, or height and width cut to those of another map. */
#include "onnx/importer.h"

#include "base/error.h"

/* The numbers of one list, at most 4 of them; *n is how many, 0 when there is no such list. */
static int slice_numbers(struct importer *im, const char *name, size_t input, int64_t out[4],
                         size_t *n)
{
    const struct onnx_attribute *a = onnx_attribute(im->op, name);
    const struct onnx_tensor *t = NULL;
    *n = 0;
    if (!a && op_value(im, input)) {
        const int err = op_constant(im, input, &t);
        if (err < 0)
            return err;
    }
    *n = a ? a->n_ints : t ? t->n : 0;
    if (*n > 4 || (t && !t->integral))
        return import_error(im, BPNET_EUNSUPPORTED, "%zu %s", *n, name);
    for (size_t i = 0; i < *n; i++)
        out[i] = a ? a->ints[i] : onnx_integer(t, i);
    return BPNET_OK;
}

/*
 * Height and width cut to those of another map: our enlargement by 2 does that itself. Where
 * nothing is cut off at the size we know, nothing is done.
 */
static int crop(struct importer *im, const struct value *v, const int size[2])
{
    const struct value *ends = op_value(im, 2);
    const int like = ends ? ends->measured - 1 : -1;
    struct node *n = &im->graph->nodes[v->node];
    int *hw = im->hw[v->node];
    if (n->op == OP_UPSAMPLE2 && n->n_inputs == 1 && like > 0 && like < v->node &&
        node_is_private(v) && im->hw[like][0] == size[0] && im->hw[like][1] == size[1]) {
        n->n_inputs = 2;
        n->inputs[1] = like;
        const int err = op_rows[n->op]->infer(im->graph, n, (const int(*)[2])im->hw, hw);
        return err < 0 ? import_prefix(im, BPNET_EUNSUPPORTED) : define_alias(im, v);
    }
    if (size[0] == hw[0] && size[1] == hw[1])
        return define_alias(im, v);
    return import_error(im, BPNET_EUNSUPPORTED, "cuts a map of %d x %d to %d x %d", hw[0], hw[1],
                        size[0], size[1]);
}

static int slice_map(struct importer *im, struct value *v)
{
    int64_t begin[4], end[4], axes[4] = {0, 1, 2, 3}, steps[4];
    size_t n, n_ends, n_axes, n_steps;
    int err, size[2] = {im->hw[v->node][0], im->hw[v->node][1]};
    const int channels = im->graph->nodes[v->node].channels, c = channel_axis(v);
    int64_t first = 0, last = channels;
    if ((err = slice_numbers(im, "starts", 1, begin, &n)) < 0 ||
        (err = slice_numbers(im, "ends", 2, end, &n_ends)) < 0 ||
        (err = slice_numbers(im, "axes", 3, axes, &n_axes)) < 0 ||
        (err = slice_numbers(im, "steps", 4, steps, &n_steps)) < 0)
        return err;
    if (n_ends != n || (n_axes && n_axes != n) || (n_steps && n_steps != n))
        return import_error(im, BPNET_EFORMAT, "lists of different lengths");
    for (size_t i = 0; i < n; i++) {
        const int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
        const int h = v->channels_last ? 1 : 2;
        if (axis < 1 || axis > 3 || (n_steps && steps[i] != 1) ||
            (axis != c && (begin[i] != 0 || end[i] < 1)))
            return import_error(im, BPNET_EUNSUPPORTED,
                                "takes another part than the first of an axis");
        if (axis == c) {
            first = begin[i] < 0 ? begin[i] + channels : begin[i];
            last = end[i] < 0 ? end[i] + channels : end[i] > channels ? channels : end[i];
        } else if (end[i] < size[axis - h]) {
            size[axis - h] = (int)end[i];
        }
    }
    if (first < 0 || last <= first || last > channels)
        return import_error(im, BPNET_EFORMAT, "takes channels %lld to %lld of %d",
                            (long long)first, (long long)last, channels);
    if (last - first == channels)
        return crop(im, v, size);
    if (size[0] != im->hw[v->node][0] || size[1] != im->hw[v->node][1])
        return import_error(im, BPNET_EUNSUPPORTED, "cuts channels and sizes at once");
    const int whole = node_of(im, v);
    if (whole < 0)
        return whole;
    return define_map(im, node_channels(im, whole, (int)first, (int)(last - first), ""), v);
}

int import_slice(struct importer *im)
{
    struct value *v = op_value(im, 0);
    return v && v->kind == VALUE_MAP ? slice_map(im, v) : fold_slice(im);
}
