/* Any bytes as a calibration table: what is accepted is finite, named once, and can be found. */
#include "base/error.h"
#include "deploy/ranges.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ranges r;
    if (ranges_parse(&r, (const char *)bytes, size, "it") < 0)
        return 0;
    for (size_t i = 0; i < r.n; i++) {
        const struct range *range = &r.items[i];
        require(strlen(range->name) > 0 && strlen(range->name) < GRAPH_NAME_SIZE);
        require(range->amax >= 0 && range->amax <= 1e30f);
        require(ranges_find(&r, range->name) == range);
        for (int k = 0; k < range->n_factors; k++)
            require(range->factors[k] > 0 && range->factors[k] <= 1);
        require(ranges_set(&r, range->name, range->amax) == BPNET_OK);
    }
    ranges_free(&r);
    return 0;
}
