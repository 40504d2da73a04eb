/* Reading whole files and writing whole ones: an output gets its name only when it is complete. */
#include "io/file.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ----------------------------------------------------------------------------- */

/* Pipes and devices cannot be mapped, and some never end. */
static const size_t max_stream = (size_t)1 << 30;

enum { FIRST_CAPACITY = 64 << 10, ALIGNMENT = 64 /* as a mapping's sections have it */ };

static uint8_t *grow(uint8_t *bytes, size_t size, size_t capacity)
{
    uint8_t *grown = aligned_alloc(ALIGNMENT, capacity);
    if (grown && size)
        memcpy(grown, bytes, size);
    free(bytes);
    return grown;
}

static int read_stream(struct file_view *view, int fd, const char *path, size_t limit)
{
    uint8_t *bytes = NULL;
    size_t size = 0, capacity = 0;
    if (limit > max_stream)
        limit = max_stream;
    for (;;) {
        if (size == capacity) {
            capacity = capacity ? capacity * 2 : FIRST_CAPACITY;
            if (!(bytes = grow(bytes, size, capacity)))
                return error_set(BPNET_ENOMEM, "%s: no memory for %zu bytes", path, capacity);
        }
        const ssize_t got = read(fd, bytes + size, capacity - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (got == 0)
                break;
            free(bytes);
            return error_set_errno(BPNET_EIO, "%s: cannot read", path);
        }
        size += (size_t)got;
        if (size > limit) {
            free(bytes);
            return error_set(BPNET_ELIMIT, "%s: more than the limit of %zu bytes", path, limit);
        }
    }
    *view = (struct file_view){.bytes = bytes, .size = size};
    return BPNET_OK;
}

int file_view_open(struct file_view *view, const char *path, size_t limit)
{
    *view = (struct file_view){0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(BPNET_ENOENT, "%s: cannot open", path);
    struct stat info;
    int error = BPNET_OK;
    if (fstat(fd, &info) < 0) {
        error = error_set_errno(BPNET_EIO, "%s: cannot read", path);
    } else if (S_ISDIR(info.st_mode)) {
        error = error_set(BPNET_ENOENT, "%s: is a folder, expected a file", path);
    } else if (!S_ISREG(info.st_mode) || info.st_size == 0) {
        error = read_stream(view, fd, path, limit);
    } else if ((uint64_t)info.st_size > limit) {
        error = error_set(BPNET_ELIMIT, "%s: %lld bytes, more than the limit of %zu", path,
                          (long long)info.st_size, limit);
    } else {
        void *mapped = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapped == MAP_FAILED)
            error = read_stream(view, fd, path, limit);
        else
            *view =
                (struct file_view){.bytes = mapped, .size = (size_t)info.st_size, .mapped = true};
    }
    close(fd);
    return error;
}

void file_view_close(struct file_view *view)
{
    if (view->mapped)
        munmap((void *)(uintptr_t)view->bytes, view->size);
    else
        free((void *)(uintptr_t)view->bytes);
    *view = (struct file_view){0};
}

/* ---- writing ----------------------------------------------------------------------------- */

/* "<path>.XXXXXX": a file of our own with the permissions an ordinary new file would get. */
static int create_temporary(char **name, const char *path)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    enum { ATTEMPTS = 100, SUFFIX = 6 };
    const size_t length = strlen(path);
    char *temporary = malloc(length + 1 + SUFFIX + 1);
    *name = temporary;
    if (!temporary)
        return -1;
    memcpy(temporary, path, length);
    temporary[length] = '.';
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        const int64_t seed[] = {clock_ns(), getpid(), (int64_t)(uintptr_t)name, attempt};
        uint64_t drawn = hash64(seed, sizeof(seed));
        for (size_t i = 0; i < SUFFIX; i++, drawn /= sizeof(letters) - 1)
            temporary[length + 1 + i] = letters[drawn % (sizeof(letters) - 1)];
        temporary[length + 1 + SUFFIX] = '\0';
        const int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/*
 * Devices such as /dev/full and /dev/stdout are written to directly: they cannot be renamed over.
 * A link to a file keeps pointing there, and a file that is replaced keeps its permissions.
 */
static int create(struct outfile *out, const char *path)
{
    struct stat info;
    const bool there = stat(path, &info) == 0;
    if (there && !S_ISREG(info.st_mode)) {
        out->stream = fopen(path, "wb");
        return out->stream ? 0 : -1;
    }
    char *target = there ? realpath(path, NULL) : NULL;
    if (target) {
        free(out->path);
        out->path = target;
    }
    const int fd = create_temporary(&out->temporary, out->path);
    if (fd < 0) {
        free(out->temporary);
        out->temporary = NULL; /* nothing to remove */
        return -1;
    }
    if (there)
        fchmod(fd, info.st_mode & 0777);
    out->stream = fdopen(fd, "wb");
    if (!out->stream)
        close(fd);
    return out->stream ? 0 : -1;
}

int outfile_open(struct outfile *out, const char *path)
{
    *out = (struct outfile){0};
    if (!*path)
        return error_set(BPNET_ECREATE, "an output file without a name");
    if (folder_exists(path))
        return error_set(BPNET_ECREATE, "%s: is a folder, expected a file to write", path);
    out->path = str_copy(path);
    if (!out->path)
        return BPNET_ENOMEM;
    if (create(out, path) == 0)
        return BPNET_OK;
    const int error =
        error_set_errno(errno == ENOMEM ? BPNET_ENOMEM : BPNET_ECREATE, "%s: cannot create", path);
    outfile_abort(out);
    return error;
}

static int write_failed(struct outfile *out)
{
    if (!out->failed)
        out->failed = errno;
    errno = out->failed;
    return error_set_errno(BPNET_EIO, "%s: cannot write", out->path);
}

int outfile_write(struct outfile *out, const void *bytes, size_t n)
{
    if (n && fwrite(bytes, 1, n, out->stream) != n)
        return write_failed(out);
    return BPNET_OK;
}

int outfile_printf(struct outfile *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int written = vfprintf(out->stream, format, args);
    va_end(args);
    return written < 0 ? write_failed(out) : BPNET_OK;
}

/*
 * Why a write that went past us to the stream failed: the stream only knows that it did. The file
 * is lost anyway, so another write to it may tell.
 */
static int reason(const struct outfile *out)
{
    static const char zeros[4096];
    if (out->temporary && write(fileno(out->stream), zeros, sizeof(zeros)) < 0)
        return errno;
    return EIO;
}

/* Everything to the disk, and the file closed. */
static int finish(struct outfile *out)
{
    if (!out->failed && ferror(out->stream))
        out->failed = reason(out);
    if (out->failed || fflush(out->stream) != 0 ||
        (out->temporary && fsync(fileno(out->stream)) != 0))
        return write_failed(out);
    FILE *stream = out->stream;
    out->stream = NULL;
    return fclose(stream) == 0 ? BPNET_OK : write_failed(out);
}

/* The rename lasts only once the folder is on the disk, too; not every file system can say so. */
static int sync_folder(struct outfile *out)
{
    char *folder = path_folder(out->path);
    if (!folder)
        return BPNET_ENOMEM;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return BPNET_OK; /* a folder one may write to but not read */
    const bool failed = fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP;
    const int error = failed ? write_failed(out) : BPNET_OK;
    close(fd);
    return error;
}

int outfile_commit(struct outfile *out)
{
    int error = finish(out);
    if (error == BPNET_OK && out->temporary) {
        if (rename(out->temporary, out->path) != 0) {
            error = error_set_errno(BPNET_ECREATE, "%s: cannot give the file its name", out->path);
        } else {
            free(out->temporary);
            out->temporary = NULL;
            error = sync_folder(out);
        }
    }
    outfile_abort(out);
    return error;
}

void outfile_abort(struct outfile *out)
{
    if (out->stream)
        fclose(out->stream);
    if (out->temporary)
        unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    *out = (struct outfile){0};
}

int file_write(const char *path, const void *bytes, size_t n)
{
    struct outfile out;
    int error = outfile_open(&out, path);
    if (error < 0)
        return error;
    if ((error = outfile_write(&out, bytes, n)) < 0) {
        outfile_abort(&out);
        return error;
    }
    return outfile_commit(&out);
}

/* ---- folders ----------------------------------------------------------------------------- */

bool file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

bool folder_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool file_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int file_check_output(const char *path)
{
    struct stat info;
    const bool there = stat(path, &info) == 0;
    if (there && S_ISDIR(info.st_mode))
        return error_set(BPNET_ECREATE, "%s: is a folder", path);
    char *folder = there && !S_ISREG(info.st_mode) ? str_copy(path) : path_folder(path);
    if (!folder)
        return BPNET_ENOMEM;
    const int err = access(folder, W_OK) == 0
                        ? BPNET_OK
                        : error_set_errno(BPNET_ECREATE, "%s: cannot create", path);
    free(folder);
    return err;
}

int folder_create(const char *path)
{
    if (!*path)
        return error_set(BPNET_ECREATE, "a folder without a name");
    char *partial = str_copy(path);
    if (!partial)
        return BPNET_ENOMEM;
    int error = BPNET_OK;
    for (char *p = partial + 1; error == BPNET_OK; p++) {
        const char end = *p;
        if (end != '/' && end != '\0')
            continue;
        *p = '\0';
        if (mkdir(partial, 0777) < 0 && !(errno == EEXIST && folder_exists(partial)))
            error = error_set_errno(BPNET_ECREATE, "%s: cannot create the folder", partial);
        *p = end;
        if (end == '\0')
            break;
    }
    free(partial);
    return error;
}

static bool has_suffix(const char *name, const char *const *suffixes)
{
    if (!suffixes)
        return true;
    const size_t length = strlen(name);
    for (; *suffixes; suffixes++) {
        const size_t n = strlen(*suffixes);
        if (length < n)
            continue;
        size_t i = 0;
        while (i < n && tolower((unsigned char)name[length - n + i]) == (*suffixes)[i])
            i++;
        if (i == n)
            return true;
    }
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int folder_list(char ***names, size_t *n, const char *path, const char *const *suffixes)
{
    *names = NULL;
    *n = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return error_set_errno(BPNET_ENOENT, "%s: cannot open the folder", path);
    struct str all = {0}; /* the names, one after the other, NUL between them */
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.' || !has_suffix(entry->d_name, suffixes))
            continue;
        str_append_bytes(&all, entry->d_name, strlen(entry->d_name) + 1);
        count++;
    }
    closedir(folder);
    char **list = all.failed ? NULL : malloc((count + 1) * sizeof(*list) + all.length);
    if (!list) {
        str_free(&all);
        return error_set(BPNET_ENOMEM, "%s: no memory for the names in it", path);
    }
    char *text = (char *)(list + count + 1);
    if (all.length)
        memcpy(text, all.text, all.length);
    for (size_t i = 0; i < count; i++) {
        list[i] = text;
        text += strlen(text) + 1;
    }
    list[count] = NULL;
    qsort(list, count, sizeof(*list), compare_names);
    str_free(&all);
    *names = list;
    *n = count;
    return BPNET_OK;
}
