/* A temporary file whose name is taken away at once. */
#include "io/scratch_file.h"

#include "base/error.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

struct scratch_file {
    int fd;
    char *folder; /* for messages */
};

int scratch_file_open(struct scratch_file **out, const char *folder)
{
    *out = NULL;
    struct scratch_file *f = calloc(1, sizeof *f);
    char *path = path_join(folder, "scratch.XXXXXX");
    int err = BPNET_OK;
    if (f)
        f->fd = -1;
    if (!f || !path || !(f->folder = str_copy(folder)))
        err = error_set(BPNET_ENOMEM, "no memory for a scratch file");
    else if ((f->fd = mkstemp(path)) < 0)
        err = error_set_errno(BPNET_EIO, "%s: cannot make a scratch file", folder);
    else
        unlink(path);
    free(path);
    if (err < 0)
        scratch_file_close(f);
    else
        *out = f;
    return err;
}

void scratch_file_close(struct scratch_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f->folder);
    free(f);
}

int scratch_file_write(struct scratch_file *f, const void *bytes, size_t n, uint64_t offset)
{
    const uint8_t *p = bytes;
    while (n > 0) {
        const ssize_t done = pwrite(f->fd, p, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_set_errno(BPNET_EIO, "%s: cannot write a scratch file", f->folder);
        p += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return BPNET_OK;
}

int scratch_file_read(struct scratch_file *f, void *bytes, size_t n, uint64_t offset)
{
    uint8_t *p = bytes;
    while (n > 0) {
        const ssize_t done = pread(f->fd, p, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_set_errno(BPNET_EIO, "%s: cannot read a scratch file", f->folder);
        if (done == 0)
            return error_set(BPNET_EIO, "%s: a scratch file ends before byte %llu", f->folder,
                             (unsigned long long)(offset + n));
        p += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return BPNET_OK;
}
