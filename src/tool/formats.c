/* formats.c - the table of formats: what makes a difference to programs that read adapters
 *
 * A row is an adapter of one layer of Stable Diffusion 1.x. Verdicts are those of the programs' rules about its
 * tensors, so that the table cannot say anything else than `verify` does; samples of the rows show whether the programs
 * agree.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/memory.h"
#include "base/string.h"
#include "tensor/dtype.h"
#include "tensor/hashed_write.h"
#include "tensor/random.h"
#include "tensor/shape.h"
#include "tool/consumer/consumer.h"

enum { ROW_SETTINGS = 4, CHANNELS = 320 };

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

typedef enum row_layer { LINEAR, CONVOLUTION, NORM } row_layer;

/* Layers of the first block of every SD 1.x. */
static const struct {
    const char *module;
    lyc_adapter_target target;
} layers[] = {
    [LINEAR] = {"down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
                {.kind = LYC_LAYER_LINEAR, .weight = {.rank = 2, .dims = {CHANNELS, CHANNELS}}, .groups = 1}},
    [CONVOLUTION] = {"down_blocks_0_resnets_0_conv1",
                     {.kind = LYC_LAYER_CONV2D,
                      .weight = {.rank = 4, .dims = {CHANNELS, CHANNELS, 3, 3}},
                      .groups = 1,
                      .has_bias = true}},
    [NORM] = {"down_blocks_0_attentions_0_norm",
              {.kind = LYC_LAYER_GROUP_NORM, .weight = {.rank = 1, .dims = {CHANNELS}}, .has_bias = true}},
};

static const struct format_row {
    const char *title;
    const char *algorithm;
    row_layer layer;
    lyc_adapter_setting settings[ROW_SETTINGS];
} rows[] = {
    {"LoRA", "lora", LINEAR, {{"rank", "4"}, {"alpha", "2"}}},
    {"LoRA of a convolution", "lora", CONVOLUTION, {{"rank", "4"}, {"alpha", "2"}}},
    {"LoRA of a convolution, use_tucker", "lora", CONVOLUTION, {{"rank", "4"}, {"use_tucker", "true"}}},
    {"LoRA, DoRA over outputs", "lora", LINEAR, {{"rank", "4"}, {"weight_decompose", "true"}, {"wd_on_out", "true"}}},
    {"LoRA, DoRA over inputs", "lora", LINEAR, {{"rank", "4"}, {"weight_decompose", "true"}, {"wd_on_out", "false"}}},
    {"LoHa", "loha", LINEAR, {{"rank", "4"}, {"alpha", "2"}}},
    {"LoHa of a convolution, use_tucker", "loha", CONVOLUTION, {{"rank", "4"}, {"use_tucker", "true"}}},
    {"LoHa, DoRA over outputs", "loha", LINEAR, {{"rank", "4"}, {"weight_decompose", "true"}, {"wd_on_out", "true"}}},
    {"LoKr", "lokr", LINEAR, {{"rank", "4"}, {"alpha", "2"}, {"factor", "8"}}},
    {"LoKr, full_matrix", "lokr", LINEAR, {{"rank", "4"}, {"factor", "8"}, {"full_matrix", "true"}}},
    {"LoKr, decompose_both", "lokr", LINEAR, {{"rank", "2"}, {"factor", "-1"}, {"decompose_both", "true"}}},
    {"LoKr, unbalanced_factorization",
     "lokr",
     LINEAR,
     {{"rank", "2"}, {"factor", "8"}, {"unbalanced_factorization", "true"}}},
    {"LoKr of rank 1, alpha 0.5", "lokr", LINEAR, {{"rank", "1"}, {"alpha", "0.5"}, {"factor", "8"}}},
    {"LoKr of a convolution, use_tucker",
     "lokr",
     CONVOLUTION,
     {{"rank", "2"}, {"factor", "8"}, {"use_tucker", "true"}}},
    {"LoKr, DoRA over outputs",
     "lokr",
     LINEAR,
     {{"rank", "4"}, {"factor", "8"}, {"weight_decompose", "true"}, {"wd_on_out", "true"}}},
    {"DyLoRA", "dylora", LINEAR, {{"rank", "8"}, {"alpha", "4"}, {"block_size", "4"}}},
    {"T-LoRA", "tlora", LINEAR, {{"rank", "4"}}},
    {"GLoRA", "glora", LINEAR, {{"rank", "4"}, {"alpha", "2"}}},
    {"(IA)^3", "ia3", LINEAR, {{0}}},
    {"Diag-OFT", "diag-oft", LINEAR, {{"rank", "4"}}},
    {"Diag-OFT with a constraint", "diag-oft", LINEAR, {{"rank", "4"}, {"constraint", "0.001"}}},
    {"Diag-OFT, rescaled", "diag-oft", LINEAR, {{"rank", "4"}, {"rescaled", "true"}}},
    {"BOFT", "boft", LINEAR, {{"rank", "10"}}},
    {"BOFT with a constraint", "boft", LINEAR, {{"rank", "10"}, {"constraint", "0.001"}}},
    {"norms", "norm", NORM, {{0}}},
    {"full difference", "full", CONVOLUTION, {{0}}},
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

const char *lyc_format_title_at(size_t row)
{
    return row < ROW_COUNT ? rows[row].title : NULL;
}

/* --- a row's adapter -----------------------------------------------------------------------------------------------
 */

/* Random numbers in every tensor that is learnt; what is computed from the weight is moved away from that a little. */
static void fill_param(lyc_adapter_param *p, uint32_t step)
{
    float numbers[4];
    const int64_t n = lyc_shape_elements(&p->shape);
    const lyc_native_random random = {.seed = 1, .purpose = LYC_RANDOM_INIT, .step = step};
    for (int64_t k = 0; k < n; k++) {
        if (k % 4 == 0) {
            lyc_native_random_normals(&random, numbers, (uint64_t)k, 4);
        }
        const float start = p->start == LYC_START_COMPUTED ? p->data[k] : p->start == LYC_START_ONE ? 1.0F : 0.0F;
        p->data[k] = start + 0.1F * numbers[k % 4] * (p->start == LYC_START_COMPUTED ? start : 1.0F);
    }
}

static void fill(lyc_adapter *a)
{
    for (int i = 0; i < a->n_params; i++) {
        if (a->params[i].trainable) {
            fill_param(&a->params[i], (uint32_t)i);
        }
    }
}

/* The adapter starts from a random weight where it starts from a weight: the sample's model is not at hand. */
static lyc_status make_adapter(lyc_adapter **out, size_t row, lyc_error *err)
{
    size_t settings = 0;
    lyc_adapter *a = NULL;
    const lyc_adapter_target *target = &layers[rows[row].layer].target;
    const size_t n = (size_t)lyc_shape_elements(&target->weight);
    while (settings < ROW_SETTINGS && rows[row].settings[settings].name != NULL) {
        settings++;
    }
    float *weight = lyc_alloc_zero(n, sizeof *weight);
    if (weight == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a sample");
    }
    const lyc_native_random random = {.seed = 2, .purpose = LYC_RANDOM_INIT};
    lyc_native_random_normals(&random, weight, 0, n);
    const lyc_tensor_view view = {
        .name = "weight", .dtype = LYC_F32, .shape = target->weight, .data = weight, .size_bytes = n * sizeof *weight};
    lyc_status status = lyc_adapter_new(&a, lyc_adapter_algorithm_find(rows[row].algorithm),
                                        layers[rows[row].layer].module, target, rows[row].settings, settings, err);
    status = status != LYC_OK ? status : lyc_adapter_initialise(a, &view, 1, err);
    lyc_free(weight);
    if (status != LYC_OK) {
        lyc_adapter_free(a);
        return status;
    }
    fill(a);
    *out = a;
    return LYC_OK;
}

static double alpha_in(const lyc_adapter_file *file)
{
    for (int i = 0; i < file->count; i++) {
        if (strcmp(file->tensors[i].name, "alpha") == 0) {
            return lyc_dtype_load(file->tensors[i].dtype, file->tensors[i].data);
        }
    }
    return NAN;
}

static void judge(lyc_verdict *verdict, const char **reason, const lyc_adapter *a, const lyc_adapter_file *file,
                  const lyc_consumer *consumer)
{
    int count;
    const char *reasons[LYC_CONSUMER_REASONS];
    lyc_verdict verdicts[LYC_CONSUMER_REASONS];
    const bool ranked = (a->algorithm->common & LYC_ADAPTER_RANK) != 0;
    const lyc_consumer_layer candidate = {
        .layer = {.name = a->name,
                  .component = "unet",
                  .algorithm = a->algorithm->name,
                  .rank = ranked ? ((const lyc_adapter_config *)a->config)->rank : 0,
                  .alpha = alpha_in(file),
                  .tensors = file->tensors,
                  .tensor_count = (size_t)file->count},
        .scheme = consumer->writes,
        .kernel = a->kernel,
    };
    *reason = NULL;
    *verdict = lyc_consumer_judge(reasons, verdicts, &count, consumer, &candidate);
    for (int i = count - 1; i >= 0; i--) {
        *reason = verdicts[i] == *verdict ? reasons[i] : *reason;
    }
}

lyc_status lyc_format_verdict(lyc_verdict *verdict, const char **reason, size_t row, size_t consumer, lyc_error *err)
{
    assert(row < ROW_COUNT && consumer < lyc_consumer_count());
    lyc_adapter *a = NULL;
    lyc_adapter_file file;
    LYC_TRY(make_adapter(&a, row, err));
    const lyc_status status = lyc_adapter_write(&file, a, err);
    if (status == LYC_OK) {
        judge(verdict, reason, a, &file, lyc_consumers[consumer]);
    }
    lyc_adapter_file_clear(&file);
    lyc_adapter_free(a);
    return status;
}

/* --- samples -------------------------------------------------------------------------------------------------------
 */

enum { KEY = 160 };

static void key_of(char *out, const char *module, const char *suffix)
{
    snprintf(out, KEY, "lora_unet_%s.%s", module, suffix);
}

static lyc_status make_plan(lyc_safetensors_plan *plan, const lyc_adapter_file *file, size_t row, lyc_error *err)
{
    char key[KEY];
    for (int i = 0; i < file->count; i++) {
        key_of(key, layers[rows[row].layer].module, file->tensors[i].name);
        LYC_TRY(lyc_safetensors_plan_add(plan, key, file->tensors[i].dtype, &file->tensors[i].shape, err));
    }
    LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_network_module", "lycoris.kohya", err));
    LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_base_model_version", "sd_v1", err));
    LYC_TRY(lyc_safetensors_plan_metadata(plan, "ss_v2", "False", err));
    return lyc_safetensors_plan_metadata(plan, "ss_training_comment", rows[row].title, err);
}

static lyc_status produce(void *context, const void **data, const lyc_tensor_view *tensor, lyc_error *err)
{
    const lyc_adapter_file *file = context;
    const char *suffix = strchr(tensor->name, '.') + 1;
    for (int i = 0; i < file->count; i++) {
        if (strcmp(file->tensors[i].name, suffix) == 0) {
            *data = file->tensors[i].data;
            return LYC_OK;
        }
    }
    return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is not in the sample", suffix);
}

lyc_status lyc_format_write_sample(const char *path, size_t row, bool force, lyc_error *err)
{
    assert(row < ROW_COUNT);
    lyc_adapter *a = NULL;
    lyc_adapter_file file;
    lyc_safetensors_plan *plan = NULL;
    const lyc_safetensors_writer_options options = {.force = force};
    LYC_TRY(make_adapter(&a, row, err));
    lyc_status status = lyc_adapter_write(&file, a, err);
    status = status != LYC_OK ? status : lyc_safetensors_plan_new(&plan, err);
    status = status != LYC_OK ? status : make_plan(plan, &file, row, err);
    status = status != LYC_OK ? status : lyc_hashed_write(path, plan, &options, produce, &file, "writing", NULL, err);
    lyc_safetensors_plan_free(plan);
    lyc_adapter_file_clear(&file);
    lyc_adapter_free(a);
    return status;
}
