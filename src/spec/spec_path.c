/* Paths written in spec files: as they are, else from the spec's own folder. */
#include "spec/spec_path.h"

#include "base/error.h"
#include "base/str.h"
#include "io/file.h"

#include <stdbool.h>
#include <stdlib.h>

int spec_path_settle(char **path, const char *spec_path)
{
    if (!*path || !**path || file_exists(*path))
        return BPNET_OK;
    char *folder = path_folder(spec_path);
    char *joined = folder ? path_join(folder, *path) : NULL;
    free(folder);
    if (!joined)
        return BPNET_ENOMEM;
    const bool found = file_exists(joined);
    free(found ? *path : joined);
    if (found)
        *path = joined;
    return BPNET_OK;
}
