/* Reading a key, and leaving as few copies of it as possible. */
#include "cli/key.h"

#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VARIABLE "BPNET_KEY"

/* To the end of what `fd` gives, without the last line end. */
static int read_key(struct seal_key **out, int fd, const char *name)
{
    char text[SEAL_KEY_MAX + 3]; /* a line end, and one byte to see that there is too much */
    size_t size = 0;
    ssize_t got = 1;
    int err = BPNET_OK;
    while (got != 0 && size < sizeof(text)) {
        got = read(fd, text + size, sizeof(text) - size);
        if (got < 0 && errno != EINTR) {
            err = error_set_errno(BPNET_EIO, "%s: cannot read the key", name);
            goto done;
        }
        size += got > 0 ? (size_t)got : 0;
    }
    if (size && text[size - 1] == '\n')
        size--;
    if (size && text[size - 1] == '\r')
        size--;
    if ((err = seal_key_new(out, text, size)) < 0)
        error_prefix(err, "%s", name);
done:
    seal_wipe(text, sizeof(text));
    return err;
}

static int read_file(struct seal_key **out, const char *path)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(BPNET_ENOENT, "%s: cannot open the key", path);
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 077))
        log_warning("%s: others may read this key (mode %03o); 'chmod 600' keeps it to you", path,
                    (unsigned)(info.st_mode & 0777));
    const int err = read_key(out, fd, path);
    close(fd);
    return err;
}

static int read_descriptor(struct seal_key **out, const char *text)
{
    char name[64], *end;
    errno = 0;
    const long fd = strtol(text, &end, 10);
    if (errno || end == text || *end || fd < 0 || fd > INT_MAX)
        return error_set(BPNET_EUSAGE, "--key_fd '%s': expected the number of an open file", text);
    snprintf(name, sizeof(name), "--key_fd %ld", fd);
    return read_key(out, (int)fd, name);
}

/* From text that is then overwritten: the process list shows arguments. */
static int take_text(struct seal_key **out, char *text, const char *name)
{
    const size_t size = strlen(text);
    const int err = seal_key_new(out, text, size);
    if (err < 0)
        return error_prefix(err, "%s", name);
    seal_wipe(text, size);
    return BPNET_OK;
}

static int from_environment(struct seal_key **out)
{
    char *text = getenv(VARIABLE);
    if (!text || !*text)
        return BPNET_OK;
    const int err = take_text(out, text, VARIABLE);
    unsetenv(VARIABLE);
    return err;
}

int key_open(struct seal_key **out, const struct common_args *common)
{
    *out = NULL;
    const int n = (common->key != NULL) + (common->key_file != NULL) + (common->key_fd != NULL);
    if (n > 1)
        return error_set(BPNET_EUSAGE, "give one of -k, --key_file and --key_fd, not %d", n);
    if (common->key)
        return take_text(out, (char *)(uintptr_t)common->key, "-k");
    if (common->key_file)
        return read_file(out, common->key_file);
    if (common->key_fd)
        return read_descriptor(out, common->key_fd);
    return from_environment(out);
}
