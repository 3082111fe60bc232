/*
 * A standard output or standard error that is closed (`>&-` in a shell) shall not look like one that is thrown away.
 * Rust's library opens /dev/null for reading and writing in its place before main() begins, so that whoever writes
 * there is told that all is well. This runs before that, and opens it for reading only, which the program can tell.
 */
#include <fcntl.h>
#include <unistd.h>

static void keep_closed(int stream)
{
    if (fcntl(stream, F_GETFD) != -1)
        return;
    /* The lowest free descriptor: standard input's, where that is closed too. */
    int null = open("/dev/null", O_RDONLY);
    if (null == STDIN_FILENO)
        (void)dup2(null, stream);
}

__attribute__((constructor)) static void keep_closed_outputs_closed(void)
{
    keep_closed(STDOUT_FILENO);
    keep_closed(STDERR_FILENO);
}
