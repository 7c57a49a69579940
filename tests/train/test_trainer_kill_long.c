/* test_trainer_kill_long.c - a run that is killed at 50 moments ends with the same bytes as one that is not
 *
 * The program runs itself: "child FOLDER" trains in a folder, from the state in it if there is one. SIGKILL comes at
 * any moment, while weights are packed, numbers computed, states and logs written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pictures.h"

#include "adapter/network_save.h"
#include "support/folder.h"

enum { KILLS = SANITIZED ? 5 : 50, STEPS = SANITIZED ? 3 : 60, CHILD_FAILED = 3 };

static const char *program;

static void join(char out[512], const char *folder, const char *name)
{
    snprintf(out, 512, "%.400s/%s", folder, name);
}

/* --- the child -----------------------------------------------------------------------------------------------------
 */

static lyc_status save(void *context, lyc_trainer *t, lyc_trainer_event event, lyc_error *err)
{
    char path[512];
    const lyc_network *const *network = context;
    const lyc_network_save_options options = {.scheme = LYC_KEY_KOHYA, .dtype = LYC_F32, .force = true};
    (void)t;
    if (event != LYC_TRAINER_AT_END) {
        return LYC_OK;
    }
    join(path, (const char *)network[1], "end.safetensors");
    return lyc_network_save(path, network[0], 0, &options, err);
}

static int child(const char *folder)
{
    static const char *const args[] = {"algo=lora", "network_dim=2", "module_dropout=0.1", NULL};
    char states[512], logs[512];
    lyc_error err;
    pictures p;
    lyc_trainer *t = NULL;
    join(states, folder, "state");
    join(logs, folder, "log");
    lyc_train_model *m = open_model(LYC_PRECISION_F32);
    pictures_open(&p, m);
    lyc_network *network = open_adapters(m, "attn-mlp", m->part_count - 1, args);
    const lyc_batch_source source = pictures_source(&p);
    const void *context[] = {network, folder};
    const lyc_trainer_hooks hooks = {.save = save, .context = context};
    const lyc_trainer_options options = {
        .seed = 3,
        .max_train_steps = STEPS,
        .gradient_accumulation_steps = 2,
        .max_grad_norm = 1,
        .noise = LYC_BATCH_NOISE_DEFAULT,
        .rates = {.unet = 1e-2},
        .optimizer = "AdamW8bit",
        .ema_decay = 0.9,
        .schedule = {.name = "cosine", .warmup_steps = 5},
        .validate_every_n_epochs = 5,
        .max_validation_steps = 1,
        .state_folder = states,
        .state_every_steps = 1,
        .log_path = logs,
    };
    lyc_status status = lyc_trainer_new(&t, m, network, &options, &source, &hooks, &err);
    if (status == LYC_OK && access(states, F_OK) == 0) {
        lyc_status resumed = lyc_trainer_resume(t, states, false, &err);
        status = resumed == LYC_E_IO ? LYC_OK : resumed; /* the first state was not whole yet */
    }
    status = status == LYC_OK ? lyc_trainer_run(t, &err) : status;
    if (status != LYC_OK) {
        fprintf(stderr, "%s\n", err.message);
    }
    lyc_trainer_free(t);
    lyc_network_free(network);
    pictures_close(&p);
    lyc_train_model_close(m);
    return status == LYC_OK ? 0 : CHILD_FAILED;
}

/* --- the parent ----------------------------------------------------------------------------------------------------
 */

static pid_t start(const char *folder)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(program, program, "child", folder, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void run_to_end(const char *folder)
{
    const int status = wait_for(start(folder));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void same_file(const test_folder *a, const test_folder *b, const char *name)
{
    char path[2][512];
    size_t size[2];
    join(path[0], a->path, name);
    join(path[1], b->path, name);
    char *data[2] = {test_file_read(path[0], &size[0]), test_file_read(path[1], &size[1])};
    assert_non_null(data[0]);
    assert_non_null(data[1]);
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(data[0], data[1], size[0]);
    free(data[0]);
    free(data[1]);
}

static void killed_runs_end_alike(void **state)
{
    test_folder whole, killed;
    unsigned random = 12345;
    (void)state;
    test_folder_make(&whole);
    test_folder_make(&killed);
    run_to_end(whole.path);
    for (int i = 0; i < KILLS; i++) {
        const pid_t pid = start(killed.path);
        random = random * 1664525u + 1013904223u;
        const struct timespec moment = {.tv_nsec = 1000000 * (long)(20 + (random >> 16) % 600)};
        nanosleep(&moment, NULL);
        kill(pid, SIGKILL);
        const int status = wait_for(pid);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    }
    run_to_end(killed.path);
    same_file(&whole, &killed, "end.safetensors");
    same_file(&whole, &killed, "log.csv");
    same_file(&whole, &killed, "log.jsonl");
    test_folder_remove(&whole);
    test_folder_remove(&killed);
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc == 3 && strcmp(argv[1], "child") == 0) {
        return child(argv[2]);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_runs_end_alike)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
