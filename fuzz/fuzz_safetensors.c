/* Any bytes as a safetensors file: what is accepted lies within it, and can be read as floats. */
#include "base/error.h"
#include "fuzz.h"
#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct safetensors s;
    if (safetensors_open_memory(&s, bytes, size, "it") < 0)
        return 0;
    for (size_t i = 0; i < s.n_tensors; i++) {
        const struct safetensor *t = &s.tensors[i];
        require(safetensors_find(&s, t->name) == t);
        require(t->n <= size);
        float *values = malloc((t->n + 1) * sizeof(*values));
        require(values);
        if (safetensor_to_float(values, t) == BPNET_OK)
            touch(values, t->n * sizeof(*values));
        free(values);
    }
    safetensors_close(&s);
    return 0;
}
