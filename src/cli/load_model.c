/* Loading a model from whatever holds one. */
#include "cli/load_model.h"

#include "base/error.h"
#include "base/log.h"
#include "io/container.h"
#include "onnx/import.h"

#include <string.h>

/* The field ir_version, a small number, and a second field of a ModelProto: writers begin so. */
static bool begins_as_onnx(const struct file_view *view)
{
    static const uint8_t second[] = {0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72};
    const uint8_t *b = view->bytes;
    return view->size > 2 && b[0] == 0x08 && b[1] > 0 && b[1] < 32 &&
           memchr(second, b[2], sizeof second);
}

int network_kind(enum network_kind *kind, bool *sealed, const struct run *run, const char *path)
{
    struct file_view view;
    struct container file;
    const int err = seal_view_open(&view, path, SIZE_MAX, run->key);
    if (err < 0)
        return err;
    *kind = begins_as_onnx(&view) ? NETWORK_ONNX : NETWORK_MODEL;
    if (container_open_memory(&file, view.bytes, view.size, path, "engine") == BPNET_OK) {
        *kind = NETWORK_ENGINE;
        container_close(&file);
    }
    error_clear();
    if (sealed)
        *sealed = view.sealed;
    file_view_close(&view);
    return BPNET_OK;
}

int load_model(struct model **out, const struct run *run, const char *path)
{
    enum network_kind kind;
    const int err = network_kind(&kind, NULL, run, path);
    *out = NULL;
    if (err < 0)
        return err;
    if (kind != NETWORK_ONNX)
        return model_load(out, path, run->key);
    const struct onnx_import_options options = {.key = run->key};
    log_info("%s: an ONNX file, read as 'bpnet import' does without options", path);
    return onnx_import(out, path, &options);
}
