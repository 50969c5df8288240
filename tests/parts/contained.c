/* The only program in the image of the container tests: it runs, ignores TERM, or ends, as told. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void leave(int number) { _exit(128 + number); }

static void on_term(void (*what)(int)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = what;
    sigaction(SIGTERM, &action, NULL);
}

int main(int count, char **words) {
    const char *task = count > 1 ? words[1] : "run";
    on_term(strcmp(task, "ignore") == 0 ? SIG_IGN : leave);
    for (char **each = environ; *each; each++) puts(*each);
    printf("ready\n");
    fflush(stdout);
    if (strcmp(task, "exit") == 0) return count > 2 ? atoi(words[2]) : 0;
    if (strcmp(task, "fork") == 0 && fork() == 0) {
        execl("/program", "other-program", "run", count > 2 ? words[2] : "", (char *)NULL);
        _exit(1);
    }
    for (;;) pause();
}
