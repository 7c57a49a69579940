/* test_embedding.c - textual inversion: a name is as good as the words whose embeddings it has
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/embedding.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/cpu/default.h"
#include "model/networks.h"
#include "support/folder.h"
#include "support/model_file.h"
#include "tensor/dtype.h"

static test_folder folder;
static lyc_error err;

typedef struct model {
    lyc_checkpoint *checkpoint;
    lyc_text_encoders encoders;
} model;

/* The small text towers have 40 embeddings. */
static void small_tokenizer(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s", test_folder_path(&folder, name));
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/vocab.json", test_folder_path(&folder, name));
    test_text_write(path, "{\"a</w>\": 0, \"r\": 1, \"e\": 2, \"d</w>\": 3, \"h\": 4, \"o\": 5, \"u\": 6, \"s\": 7, "
                          "\"e</w>\": 8, \"<|startoftext|>\": 38, \"<|endoftext|>\": 39}");
    snprintf(path, sizeof path, "%s/merges.txt", test_folder_path(&folder, name));
    test_text_write(path, "#version: 0.2\n");
}

static int setup(void **state)
{
    (void)state;
    test_folder_make(&folder);
    mkdir(test_folder_path(&folder, "xl"), 0777);
    test_model_folder(test_folder_path(&folder, "xl"), true);
    small_tokenizer("xl/tokenizer");
    small_tokenizer("xl/tokenizer_2");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static void open_encoders(model *m, const char *path)
{
    const lyc_runner_options options = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_default()};
    must(lyc_checkpoint_open(&m->checkpoint, path, NULL, &err), &err);
    must(lyc_text_encoders_init(&m->encoders, m->checkpoint, &options, &err), &err);
}

static void close_encoders(model *m)
{
    lyc_text_encoders_clear(&m->encoders);
    lyc_checkpoint_close(m->checkpoint);
}

/* The table's rows of the tokens of a text, as f32. */
static float *rows_of(int64_t *count, const model *m, int index, const char *text)
{
    lyc_id_list ids = {0};
    lyc_weight_view table;
    const lyc_component_kind kind = index == 0 ? LYC_COMPONENT_TEXT_ENCODER : LYC_COMPONENT_TEXT_ENCODER_2;
    const lyc_component *component = lyc_checkpoint_component(m->checkpoint, kind);
    assert_true(lyc_component_find(&table, component, "text_model.embeddings.token_embedding.weight"));
    must(lyc_tokenizer_encode(&ids, m->encoders.encoder[index].tokenizer, text, &err), &err);
    const int64_t width = table.shape.dims[1];
    float *rows = malloc(ids.count * (size_t)width * sizeof *rows);
    for (size_t i = 0; i < ids.count; i++) {
        for (int64_t k = 0; k < width; k++) {
            const size_t at = (size_t)(ids.ids[i] * width + k) * (size_t)lyc_dtype_bits(table.dtype) / 8;
            rows[(int64_t)i * width + k] = (float)lyc_dtype_load(table.dtype, (const char *)table.data + at);
        }
    }
    *count = (int64_t)ids.count;
    lyc_id_list_clear(&ids);
    return rows;
}

static void conditions(lyc_conditions *out, model *m, const char *prompt)
{
    const lyc_text_request request = {
        .prompt = prompt, .clip_skip = 1, .sequences = LYC_SEQUENCE_DEFAULT, .weighing = LYC_STATE_WEIGHING_A1111};
    must(lyc_conditions_make(out, &m->encoders, &request, &err), &err);
}

/* States of two prompts, bit for bit the same or not. */
static void compare(model *m, const char *a, const char *b, bool same)
{
    lyc_conditions x, y;
    conditions(&x, m, a);
    conditions(&y, m, b);
    assert_int_equal(x.tokens, y.tokens);
    assert_int_equal(memcmp(x.states, y.states, x.branches * x.tokens * x.width * sizeof *x.states) == 0, same);
    if (x.pooled_width > 0) {
        assert_int_equal(memcmp(x.pooled, y.pooled, x.branches * x.pooled_width * sizeof *x.pooled) == 0, same);
    }
    lyc_conditions_clear(&x);
    lyc_conditions_clear(&y);
}

static void write_file(const char *name, const char *const *keys, float *const *rows, const int64_t *counts,
                       const int64_t *widths, int key_count)
{
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *writer = NULL;
    must(lyc_safetensors_plan_new(&plan, &err), &err);
    for (int i = 0; i < key_count; i++) {
        const lyc_shape shape = LYC_SHAPE(counts[i], widths[i]);
        must(lyc_safetensors_plan_add(plan, keys[i], LYC_F32, &shape, &err), &err);
    }
    must(lyc_safetensors_writer_open(&writer, plan, test_folder_path(&folder, name), NULL, &err), &err);
    for (int i = 0; i < key_count; i++) {
        must(
            lyc_safetensors_writer_put(writer, keys[i], rows[i], (size_t)(counts[i] * widths[i]) * sizeof(float), &err),
            &err);
    }
    must(lyc_safetensors_writer_commit(writer, &err), &err);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
}

static void a_name_is_as_good_as_its_words(void **state)
{
    model m;
    int64_t count;
    static const char *const forms[] = {"emb_params", "<token>"};
    (void)state;
    open_encoders(&m, SD15);
    const int64_t width = m.encoders.encoder[0].config->hidden_size;
    float *rows = rows_of(&count, &m, 0, "red house");
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "zwx.safetensors" : "other.safetensors";
        write_file(name, &forms[i], &rows, &count, &width, 1);
        must(lyc_embedding_add(&m.encoders, test_folder_path(&folder, name), i == 0 ? NULL : "my-token", &err), &err);
    }
    compare(&m, "a zwx in the snow", "a red house in the snow", true);
    compare(&m, "a ZWX, (my-token:1.2)", "a red house, (red house:1.2)", true);
    compare(&m, "a zwx in the snow", "a blue house in the snow", false);
    assert_int_equal(lyc_embedding_add(&m.encoders, test_folder_path(&folder, "zwx.safetensors"), NULL, &err),
                     LYC_E_ARGUMENT);
    compare(&m, "zwx", "red house", true);
    free(rows);
    close_encoders(&m);
}

static void both_encoders_of_sdxl(void **state)
{
    model m;
    float *rows[2];
    int64_t counts[2], widths[2];
    static const char *const keys[] = {"clip_l", "clip_g"};
    (void)state;
    open_encoders(&m, test_folder_path(&folder, "xl"));
    for (int i = 0; i < 2; i++) {
        rows[i] = rows_of(&counts[i], &m, i, "red");
        widths[i] = m.encoders.encoder[i].config->hidden_size;
    }
    write_file("both.safetensors", keys, rows, counts, widths, 2);
    must(lyc_embedding_add(&m.encoders, test_folder_path(&folder, "both.safetensors"), NULL, &err), &err);
    compare(&m, "a both house", "a red house", true);
    write_file("half.safetensors", keys, rows, counts, widths, 1);
    assert_int_equal(lyc_embedding_add(&m.encoders, test_folder_path(&folder, "half.safetensors"), NULL, &err),
                     LYC_E_SHAPE);
    assert_non_null(strstr(err.message, "half.safetensors has no clip_g: it is no embedding for SDXL"));
    free(rows[0]);
    free(rows[1]);
    close_encoders(&m);
}

static void refuses(model *m, const char *name, lyc_status status, const char *part)
{
    assert_int_equal(lyc_embedding_add(&m->encoders, test_folder_path(&folder, name), NULL, &err), status);
    if (strstr(err.message, part) == NULL) {
        fail_msg("'%s' has no '%s'", err.message, part);
    }
}

static void wrong_files(void **state)
{
    model m;
    float numbers[200] = {0};
    float *rows[] = {numbers, numbers};
    static const char *const one[] = {"emb_params"}, *const two[] = {"a", "b"}, *const xl[] = {"clip_l", "clip_g"};
    const int64_t counts[] = {1, 1}, many[] = {0}, widths[] = {7, 7};
    (void)state;
    open_encoders(&m, SD15);
    write_file("narrow.safetensors", one, rows, counts, widths, 1);
    refuses(&m, "narrow.safetensors", LYC_E_SHAPE, "an embedding of 7 numbers, the text encoder takes ");
    write_file("two.safetensors", two, rows, counts, widths, 2);
    refuses(&m, "two.safetensors", LYC_E_FORMAT, "expected emb_params, clip_l and clip_g, or one tensor; it has 2");
    write_file("xl.safetensors", xl, rows, counts, widths, 2);
    refuses(&m, "xl.safetensors", LYC_E_SHAPE, "is an embedding for SDXL, the model is none");
    write_file("none.safetensors", one, rows, many, widths, 1);
    refuses(&m, "none.safetensors", LYC_E_FORMAT, "expected 1 to 75 rows of floats");
    const int64_t width = m.encoders.encoder[0].config->hidden_size;
    numbers[3] = (float)NAN;
    write_file("nan.safetensors", one, rows, counts, &width, 1);
    refuses(&m, "nan.safetensors", LYC_E_NUMERIC, "emb_params has a number that is not finite");
    refuses(&m, "nowhere.safetensors", LYC_E_IO, "nowhere.safetensors");
    compare(&m, "narrow", "narrow", true);
    close_encoders(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_as_good_as_its_words),
        cmocka_unit_test(both_encoders_of_sdxl),
        cmocka_unit_test(wrong_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
