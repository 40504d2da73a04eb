/* Looking for the shipped model. */
#include "cli/find_model.h"

#include "base/error.h"
#include "base/str.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SHIPPED "bpnet-light.bpnet"

/* The folder of the running program, "" when unknown. */
static void program_folder(char *buffer, size_t size)
{
    const ssize_t n = readlink("/proc/self/exe", buffer, size - 1);
    buffer[n > 0 ? n : 0] = '\0';
    char *end = (char *)path_base(buffer);
    *end = '\0';
}

int find_model(char **path)
{
    *path = NULL;
    const char *chosen = getenv("BPNET_MODEL");
    if (chosen && *chosen) {
        if (!file_exists(chosen))
            return error_set(BPNET_ENOENT, "%s: there is no such model (BPNET_MODEL names it)",
                             chosen);
        *path = str_copy(chosen);
        return *path ? BPNET_OK : BPNET_ENOMEM;
    }
    char folder[4096];
    program_folder(folder, sizeof(folder));
    struct str candidates[3] = {{0}, {0}, {0}};
    str_printf(&candidates[0], "%s../share/bpnet/models/" SHIPPED, folder);
    str_printf(&candidates[1], "%s../../models/" SHIPPED, folder); /* build/<preset>/bpnet */
    str_printf(&candidates[2], BPNET_SOURCE_MODELS "/" SHIPPED);
    int err = BPNET_OK;
    for (int i = 0; i < 3 && !*path && err == 0; i++) {
        if (str_status(&candidates[i]) < 0)
            err = BPNET_ENOMEM;
        else if (file_exists(candidates[i].text) && !(*path = str_copy(candidates[i].text)))
            err = BPNET_ENOMEM;
    }
    if (err == 0 && !*path)
        err = error_set(BPNET_ENOENT,
                        "no model: neither %s nor %s is there; name one with -m, or in the "
                        "environment as BPNET_MODEL",
                        str_text(&candidates[0]), str_text(&candidates[2]));
    for (int i = 0; i < 3; i++)
        str_free(&candidates[i]);
    return err;
}
