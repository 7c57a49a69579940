/* test_adapter_read.c - tensors of files: spellings of shapes and types, and what is refused
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter_case.h"

enum { MAX_TENSORS = 8 };

/* "name:shape" words; the numbers are those of case_fill, of alpha 3. */
typedef struct file_tensors {
    lyc_tensor_view views[MAX_TENSORS];
    float numbers[MAX_TENSORS][4096];
    char text[512];
    lyc_adapter_group group;
} file_tensors;

static void make_tensors(file_tensors *f, const char *words)
{
    *f = (file_tensors){0};
    memcpy(f->text, words, strlen(words) + 1);
    for (char *word = strtok(f->text, " "); word != NULL; word = strtok(NULL, " ")) {
        const size_t i = f->group.count++;
        lyc_tensor_view *v = &f->views[i];
        assert_true(i < MAX_TENSORS);
        char *shape = strchr(word, ':');
        *shape = '\0';
        v->name = word;
        v->dtype = LYC_F32;
        v->shape = strcmp(shape + 1, "scalar") == 0 ? (lyc_shape){0} : case_shape(shape + 1);
        v->data = f->numbers[i];
        v->size_bytes = (size_t)lyc_shape_elements(&v->shape) * sizeof(float);
        assert_true(v->size_bytes <= sizeof f->numbers[i]);
        case_fill(f->numbers[i], lyc_shape_elements(&v->shape), (int)i, 0.5);
        if (strcmp(word, "alpha") == 0) {
            f->numbers[i][0] = 3.0f;
        }
        if (strcmp(word, "on_input") == 0) {
            f->numbers[i][0] = 1.0f;
        }
    }
    f->group.tensors = f->views;
}

static lyc_adapter_target target_of(const char *shape)
{
    lyc_adapter_target t = {.weight = case_shape(shape), .groups = 1, .has_bias = true};
    t.kind = t.weight.rank == 1 ? LYC_LAYER_LAYER_NORM : t.weight.rank == 2 ? LYC_LAYER_LINEAR : LYC_LAYER_CONV2D;
    return t;
}

typedef struct reading {
    const char *target;
    const char *tensors;
    const char *algorithm; /* what is recognised; of `bad` the message */
} reading;

static const reading good[] = {
    {"24x40", "lora_up.weight:24x4 lora_down.weight:4x40 alpha:1", "lora"},
    {"24x40", "lora_up.weight:24x4 lora_down.weight:4x40", "lora"},
    {"24x40x1x1", "lora_up.weight:24x4 lora_down.weight:4x40", "lora"},
    {"24x40", "lora_up.weight:24x4x1x1 lora_down.weight:4x40x1x1", "lora"},
    {"16x12x3x3", "lora_up.weight:16x4 lora_down.weight:4x12x3x3", "lora"},
    {"16x12x3x3", "lora_up.weight:16x4x1x1 lora_down.weight:4x108", "lora"},
    {"16x12x3x3", "lora_up.weight:16x4x1x1 lora_mid.weight:4x4x3x3 lora_down.weight:4x12x1x1", "lora"},
    {"24x40", "lora_up.weight:24x4 lora_down.weight:4x40 dora_scale:24x1", "lora"},
    {"24x40", "lora_up.weight:24x4 lora_down.weight:4x40 dora_scale:24", "lora"},
    {"24x40", "lora_up.weight:24x4 lora_down.weight:4x40 dora_scale:1x40", "lora"},
    {"16x12x3x3", "lora_up.weight:16x4x1x1 lora_down.weight:4x12x3x3 dora_scale:1x16x1x1", "lora"},
    {"16x12x3x3", "lora_up.weight:16x4x1x1 lora_down.weight:4x12x3x3 dora_scale:1x12x1x1", "lora"},
    {"24x40", "hada_w1_a:24x4 hada_w1_b:4x40 hada_w2_a:24x4 hada_w2_b:4x40 alpha:scalar", "loha"},
    {"16x12x3x3", "hada_w1_a:16x4 hada_w1_b:4x12x3x3 hada_w2_a:16x4 hada_w2_b:4x108", "loha"},
    {"24x40", "lokr_w1:4x5 lokr_w2:6x8 alpha:1", "lokr"},
    {"24x20", "lokr_w1:3x4 lokr_w2_a:8x1 lokr_w2_b:1x5", "lokr"},
    {"24x40", "lokr_w1:6x4 lokr_w2:4x10", "lokr"},
    {"16x12x3x3", "lokr_w1:4x3 lokr_w2_a:4x1 lokr_w2_b:1x4x3x3", "lokr"},
    {"16x12x3x3", "lokr_w1:4x3 lokr_w2:4x36", "lokr"},
    {"24x40", "weight:40 on_input:scalar", "ia3"},
    {"16x12x3x3", "weight:1x12x1x1 on_input:1", "ia3"},
    {"24x40", "diff:24x40 diff_b:24", "full"},
    {"24x40", "diff:24x40", "full"},
    {"24", "w_norm:24 b_norm:24", "norm"},
    {"24x40", "oft_blocks:6x4x4 alpha:scalar", "diag-oft"},
    {"24x40", "oft_blocks:4x6x6 rescale:24x1", "diag-oft"},
    {"24x40", "oft_blocks:3x4x6x6 alpha:scalar", "boft"},
    {"24x40", "a1.weight:40x4 a2.weight:4x40 b1.weight:24x4 b2.weight:4x40 alpha:1", "glora"},
    {"16x12x3x3", "a1.weight:12x4x1x1 a2.weight:4x12x1x1 b1.weight:16x4x1x1 b2.weight:4x12x1x1 bm.weight:4x4x3x3",
     "glora"},
    {"24x40", "q_layer.weight:4x40 p_layer.weight:24x4 lambda_layer:1x4 alpha:1", "tlora"},
};

static const reading bad[] = {
    {"24x40", "alpha:1", "adapter of layer: no algorithm has these tensors (alpha ...)"},
    {"24x40", "lora_up.weight:24x4 alpha:1", "lora adapter of layer: lora_down.weight is missing"},
    {"24x40", "lora_down.weight:4x40 alpha:1", "lora adapter of layer: lora_up.weight is missing"},
    {"24x40", "lora_up.weight:24x3 lora_down.weight:4x40",
     "lora adapter of layer: lora_up.weight is 24x3, expected 4 at extent 2"},
    {"24x40", "lora_up.weight:25x4 lora_down.weight:4x40",
     "lora adapter of layer: lora_up.weight is 25x4, expected 24x4"},
    {"24x40", "lora_up.weight:24x4 lora_down.weight:4x41",
     "lora adapter of layer: lora_down.weight is 4x41, expected 4x40"},
    {"24x40", "lora_up.weight:24x4 lora_down.weight:4x5x8x1",
     NULL}, /* 40 inputs in other words: the numbers lie alike */
    {"16x12x3x3", "lora_up.weight:16x4x1x1 lora_down.weight:4x3x12x3",
     "lora adapter of layer: lora_down.weight is 4x3x12x3, expected 4x12x3x3"},
    {"24x40", "lora_up.weight:24x4 lora_down.weight:4x40 dora_scale:7",
     "lora adapter of layer: dora_scale is 7, expected 1x40"},
    {"24x40", "lora_up.weight:24x4 lora_down.weight:4x40 alpha:2",
     "lora adapter of layer: alpha is 2, expected one number"},
    {"24x40", "hada_w1_a:24x4 hada_w1_b:4x40 hada_w2_a:24x4", "loha adapter of layer: hada_w2_b is missing"},
    {"24x40", "hada_w1_a:24x4 hada_w1_b:4x40 hada_w2_a:24x5 hada_w2_b:5x40",
     "loha adapter of layer: hada_w2_a is 24x5, expected 4 at extent 2"},
    {"24x40", "lokr_w1:5x5 lokr_w2:6x8",
     "lokr adapter of layer: the first matrix is 5x5, the layer has 24 outputs and 40 inputs"},
    {"24x40", "lokr_w1:4x5 lokr_w2:6x9", "lokr adapter of layer: lokr_w2 is 6x9, expected 6x8"},
    {"24x40", "lokr_w1:4x5", "lokr adapter of layer: lokr_w2_a is missing"},
    {"24x40", "lokr_w1_a:4x2 lokr_w1_b:2x5 lokr_w2_a:6x1 lokr_w2_b:1x8",
     "lokr adapter of layer: lokr_w1_b has rank 2, lokr_w2_b 1"},
    {"24x40", "lokr_w1:4x5 lokr_w1_a:4x1 lokr_w1_b:1x5 lokr_w2:6x8",
     "lokr adapter of layer: lokr_w1 and the product of lokr_w1_a and lokr_w1_b differ by 0.926233"},
    {"24x40", "lokr_w1:20 lokr_w2:6x8", "lokr adapter of layer: lokr_w1 is 20, expected 1 at extent 2"},
    {"24x40", "weight:24 on_input:scalar", "ia3 adapter of layer: weight is 24, expected 40"},
    {"24x40", "on_input:scalar", "ia3 adapter of layer: weight is missing"},
    {"24x40", "diff:24x41", "full adapter of layer: diff is 24x41, expected 24x40"},
    {"24x40", "w_norm:24", "norm adapter of layer: norm adapts norms, and this layer is none"},
    {"24x40", "oft_blocks:24", "adapter of layer: no algorithm has these tensors (oft_blocks ...)"},
    {"24x40", "oft_blocks:6x5x5", "diag-oft adapter of layer: 6 blocks of 5 do not make 24 outputs"},
    {"24x40", "oft_blocks:6x4x3", "diag-oft adapter of layer: oft_blocks is 6x4x3, expected 6x4x4"},
    {"24x40", "oft_blocks:9x4x6x6", "boft adapter of layer: 9 butterflies for 4 blocks of 6"},
    {"24x40", "oft_blocks:1x8x3x3", "boft adapter of layer: 8 blocks of 3 (an even number) do not make 24 outputs"},
    {"24x40", "a1.weight:40x4 a2.weight:4x40 b1.weight:24x4", "glora adapter of layer: b2.weight is missing"},
    {"24x40", "a1.weight:40x4 a2.weight:4x40 b1.weight:24x4 b2.weight:4x40 dora_scale:24x1",
     "glora adapter of layer: dora_scale: DoRA does not go with glora"},
};

static void reads(void **state)
{
    static file_tensors f;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        lyc_adapter *a = NULL;
        lyc_error err = {0};
        const lyc_adapter_target target = target_of(good[i].target);
        make_tensors(&f, good[i].tensors);
        if (lyc_adapter_read(&a, "layer", &target, &f.group, &err) != LYC_OK) {
            fail_msg("%s: %s", good[i].tensors, err.message);
        }
        assert_string_equal(a->algorithm->name, good[i].algorithm);
        for (size_t k = 0; k < f.group.count; k++) {
            const lyc_adapter_param *p = lyc_adapter_param_find(a, f.views[k].name);
            assert_true(lyc_adapter_knows(a, f.views[k].name));
            if (p != NULL) {
                assert_memory_equal(p->data, f.numbers[k], f.views[k].size_bytes);
            }
        }
        assert_false(lyc_adapter_knows(a, "scalar"));
        assert_false(lyc_adapter_knows(a, "lora_up"));
        lyc_adapter_free(a);
    }
}

static void refuses(void **state)
{
    static file_tensors f;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        lyc_adapter *a = NULL;
        lyc_error err = {0};
        const lyc_adapter_target target = target_of(bad[i].target);
        make_tensors(&f, bad[i].tensors);
        const lyc_status status = lyc_adapter_read(&a, "layer", &target, &f.group, &err);
        if (bad[i].algorithm == NULL) {
            assert_int_equal(status, LYC_OK);
            lyc_adapter_free(a);
            continue;
        }
        assert_null(a);
        assert_string_equal(err.message, bad[i].algorithm);
    }
}

/* Alpha is a number of any type; without one the scale is 1, and none that is not finite is taken. */
static void alpha_has_many_forms(void **state)
{
    static file_tensors f;
    static const float numbers[] = {NAN, INFINITY};
    const int64_t whole = 2;
    const uint16_t half = 0x3C00; /* 1 in F16 */
    const lyc_adapter_target target = target_of("24x40");
    lyc_adapter *a = NULL;
    lyc_error err;
    (void)state;
    make_tensors(&f, "lora_up.weight:24x4 lora_down.weight:4x40 alpha:1");
    assert_int_equal(lyc_adapter_read(&a, "layer", &target, &f.group, &err), LYC_OK);
    assert_true(a->scale == 0.75);
    lyc_adapter_free(a);
    f.views[2].dtype = LYC_I64;
    f.views[2].data = &whole;
    assert_int_equal(lyc_adapter_read(&a, "layer", &target, &f.group, &err), LYC_OK);
    assert_true(a->scale == 0.5);
    lyc_adapter_free(a);
    f.views[2].dtype = LYC_F16;
    f.views[2].data = &half;
    assert_int_equal(lyc_adapter_read(&a, "layer", &target, &f.group, &err), LYC_OK);
    assert_true(a->scale == 0.25);
    lyc_adapter_free(a);
    for (int i = 0; i < 2; i++) {
        f.views[2].dtype = LYC_F32;
        f.views[2].data = &numbers[i];
        assert_int_equal(lyc_adapter_read(&a, "layer", &target, &f.group, &err), LYC_E_FORMAT);
        assert_string_equal(err.message, "lora adapter of layer: alpha is not finite");
    }
    f.group.count = 2;
    assert_int_equal(lyc_adapter_read(&a, "layer", &target, &f.group, &err), LYC_OK);
    assert_true(a->scale == 1.0);
    lyc_adapter_free(a);
}

/* Alpha of a LoKr that has nothing decomposed says nothing. */
static void alpha_of_a_full_lokr_is_ignored(void **state)
{
    static file_tensors f;
    const lyc_adapter_target target = target_of("24x40");
    lyc_adapter *a = NULL;
    lyc_error err;
    (void)state;
    make_tensors(&f, "lokr_w1:4x5 lokr_w2:6x8 alpha:1");
    assert_int_equal(lyc_adapter_read(&a, "layer", &target, &f.group, &err), LYC_OK);
    assert_true(a->scale == 1.0);
    lyc_adapter_free(a);
}

/* W a2 a1 + b2 b1 in place of W a1 a2 + b1 b2. */
static void old_glora_has_its_factors_exchanged(void **state)
{
    static file_tensors f;
    const lyc_adapter_target target = target_of("24x40");
    lyc_adapter *a = NULL;
    lyc_error err;
    (void)state;
    make_tensors(&f, "a1.weight:4x40 a2.weight:40x4 b1.weight:4x40 b2.weight:24x4");
    assert_int_equal(lyc_adapter_read(&a, "layer", &target, &f.group, &err), LYC_OK);
    static const char *const names[] = {"a2.weight", "a1.weight", "b2.weight", "b1.weight"};
    for (int i = 0; i < 4; i++) {
        assert_memory_equal(lyc_adapter_param_find(a, names[i])->data, f.numbers[i], f.views[i].size_bytes);
    }
    lyc_adapter_free(a);
}

/* A T-LoRA as others write it has no start values: they are computed from the base weight, and until then its change is
 * not known. */
static void tlora_is_restored(void **state)
{
    adapter_case c;
    lyc_adapter_file file;
    lyc_adapter *b = NULL;
    lyc_error err;
    (void)state;
    case_parse(&c, "tlora 24x40 | rank=4 alpha=2");
    lyc_adapter *a = case_adapter(&c, true, 0);
    float *want = case_change(&c, a, 1.0, false);
    assert_int_equal(lyc_adapter_write(&file, a, &err), LYC_OK);
    lyc_tensor_view kept[4];
    size_t n = 0;
    for (int i = 0; i < file.count; i++) {
        if (strncmp(file.tensors[i].name, "base_", 5) != 0) {
            kept[n++] = file.tensors[i];
        }
    }
    const lyc_adapter_group group = {kept, n};
    assert_int_equal(n, 4);
    assert_int_equal(lyc_adapter_read(&b, "layer", &c.target, &group, &err), LYC_OK);
    assert_true(b->incomplete);
    lyc_adapter_change change = {.weight = want};
    assert_int_equal(lyc_adapter_compute(&change, b, &c.weight_view, 1.0, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "layer: the tlora adapter's start values are missing");
    assert_int_equal(lyc_adapter_restore(b, &c.weight_view, &err), LYC_OK);
    float *got = case_change(&c, b, 1.0, false);
    assert_memory_equal(got, want, 24 * 40 * sizeof(float));
    lyc_free(got);
    lyc_free(want);
    lyc_adapter_file_clear(&file);
    lyc_adapter_free(a);
    lyc_adapter_free(b);
    case_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses),
        cmocka_unit_test(alpha_has_many_forms),
        cmocka_unit_test(alpha_of_a_full_lokr_is_ignored),
        cmocka_unit_test(old_glora_has_its_factors_exchanged),
        cmocka_unit_test(tlora_is_restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
