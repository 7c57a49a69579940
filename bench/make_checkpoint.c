/* make_checkpoint.c - writes a checkpoint of random weights: for measurements and for trying things out
 *
 *     make_checkpoint MODEL PATH [--folder] [--type f16|bf16|f32] [--seed N]
 *
 * One file of the original layout, or a folder as diffusers has it. Tensors are made and written in pieces, so that
 * memory does not grow with the model. A weight is uniform within 1/sqrt(fan in), torch's own choice for linear layers
 * and convolutions; norms are 1 and 0, other biases 0, embeddings within 0.03: activations stay finite.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file_writer.h"
#include "base/string.h"
#include "base/thread.h"
#include "checkpoint/component_make.h"
#include "checkpoint/config_read.h"
#include "lycoris/safetensors.h"
#include "models.h"
#include "tensor/random.h"
#include "tensor/shape.h"

enum { PIECE = 1 << 20, BLOCK = 1 << 14 };

typedef struct job {
    const bench_model *model;
    const char *path;
    bool folder;
    lyc_dtype dtype;
    uint64_t seed;
    lyc_component_config configs[LYC_COMPONENT_COUNT];
} job;

/* --- numbers ------------------------------------------------------------------------------------------------------ */

typedef struct piece {
    lyc_native_random random;
    uint64_t first;
    size_t n;
    float bound;
    float *values;
} piece;

static void fill_blocks(void *context, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const piece *p = context;
    for (int64_t block = first; block < last; block++) {
        const size_t start = (size_t)block * BLOCK;
        const size_t end = p->n - start < BLOCK ? p->n : start + BLOCK;
        lyc_native_random_uniforms(&p->random, p->values + start, p->first + start, end - start);
        for (size_t i = start; i < end; i++) {
            p->values[i] = (2 * p->values[i] - 1) * p->bound;
        }
    }
}

/* Half the width of the interval of a tensor's numbers; constants: *constant is the number, and 0 comes back. */
static float bound_of(float *constant, const lyc_tensor_view *tensor)
{
    const lyc_span name = lyc_span_of(tensor->name);
    const int64_t out = tensor->shape.dims[0];
    *constant = 0;
    if (tensor->shape.rank == 1) {
        *constant = lyc_span_ends_with(name, "weight") && !lyc_span_ends_with(name, "in_proj_weight") ? 1 : 0;
        return 0;
    }
    if (strstr(tensor->name, "embedding") != NULL && strstr(tensor->name, "linear") == NULL &&
        strstr(tensor->name, "cond_embedding") == NULL) {
        return 0.03f; /* those of CLIP have a standard deviation of 0.02 */
    }
    const int64_t inputs = lyc_shape_elements(&tensor->shape) / out; /* of one output */
    return (float)(1 / sqrt((double)inputs));
}

static lyc_status write_tensor(lyc_safetensors_writer *writer, const lyc_tensor_view *tensor, const job *j,
                               uint32_t number, float *values, lyc_error *err)
{
    static char converted[PIECE * sizeof(float)];
    const size_t n = (size_t)lyc_shape_elements(&tensor->shape);
    const size_t element = tensor->size_bytes / n;
    float constant;
    piece p = {.random = {j->seed, LYC_RANDOM_INIT, number}, .values = values};
    p.bound = bound_of(&constant, tensor);
    for (size_t first = 0; first < n; first += PIECE) {
        p.first = first;
        p.n = n - first < PIECE ? n - first : PIECE;
        if (p.bound > 0) {
            lyc_parallel_for((int64_t)((p.n + BLOCK - 1) / BLOCK), fill_blocks, &p);
        } else {
            for (size_t i = 0; i < p.n; i++) {
                values[i] = constant;
            }
        }
        LYC_TRY(lyc_dtype_convert(converted, tensor->dtype, values, LYC_F32, p.n, err));
        LYC_TRY(lyc_safetensors_writer_put_part(writer, tensor->name, converted, p.n * element, err));
    }
    return LYC_OK;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

typedef struct planning {
    lyc_safetensors_plan *plan;
    lyc_dtype dtype;
} planning;

/* lyc_tensor_visit */
static lyc_status plan_tensor(void *context, const char *name, const lyc_shape *shape, lyc_error *err)
{
    const planning *p = context;
    return lyc_safetensors_plan_add(p->plan, name, p->dtype, shape, err);
}

static lyc_status write_planned(const char *path, lyc_safetensors_plan *plan, const job *j, lyc_error *err)
{
    static float values[PIECE];
    lyc_safetensors_writer *writer = NULL;
    const lyc_safetensors_writer_options options = {.force = true};
    LYC_TRY(lyc_safetensors_writer_open(&writer, plan, path, &options, err));
    lyc_status status = LYC_OK;
    for (size_t i = 0; status == LYC_OK && i < lyc_safetensors_plan_count(plan); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_plan_tensor(plan, i);
        status = write_tensor(writer, &tensor, j, (uint32_t)i, values, err);
    }
    status = status == LYC_OK ? lyc_safetensors_writer_commit(writer, err) : status;
    lyc_safetensors_writer_close(writer);
    return status;
}

/* One file with the components that `wanted` has. */
static lyc_status write_file(const char *path, const job *j, unsigned wanted, lyc_error *err)
{
    planning p = {.dtype = j->dtype};
    LYC_TRY(lyc_safetensors_plan_new(&p.plan, err));
    lyc_status status = lyc_safetensors_plan_metadata(p.plan, "format", "pt", err);
    for (int kind = 0; status == LYC_OK && kind < LYC_COMPONENT_COUNT; kind++) {
        if ((wanted >> kind & 1u) == 0 || j->model->configs[kind] == NULL) {
            continue;
        }
        lyc_component_config config = j->configs[kind];
        if (!j->folder && kind == LYC_COMPONENT_TEXT_ENCODER) {
            config.clip_text.layers += j->model->dropped_layers;
        }
        const lyc_layout *layout =
            lyc_layout_of_prefix((lyc_component_kind)kind, j->folder ? "" : j->model->prefixes[kind]);
        status = lyc_layout_tensors(layout, &config, plan_tensor, &p, err);
    }
    status = status == LYC_OK ? write_planned(path, p.plan, j, err) : status;
    lyc_safetensors_plan_free(p.plan);
    return status;
}

static lyc_status write_text(const char *path, const char *text, lyc_error *err)
{
    lyc_file_writer *writer = NULL;
    const lyc_file_writer_options options = {.force = true};
    LYC_TRY(lyc_file_writer_open(&writer, path, &options, err));
    lyc_status status = lyc_file_writer_append(writer, text, strlen(text), err);
    status = status == LYC_OK ? lyc_file_writer_commit(writer, err) : status;
    lyc_file_writer_close(writer);
    return status;
}

static lyc_status make_folder(const char *path, lyc_error *err)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        return lyc_fail_errno(err, LYC_E_OUTPUT, errno, "cannot make the folder %s", path);
    }
    return LYC_OK;
}

static lyc_status write_component_folder(const job *j, lyc_component_kind kind, lyc_error *err)
{
    char path[4096];
    const char *name = lyc_component_kind_name(kind);
    const bool is_text = kind == LYC_COMPONENT_TEXT_ENCODER || kind == LYC_COMPONENT_TEXT_ENCODER_2;
    snprintf(path, sizeof path, "%s/%s", j->path, name);
    LYC_TRY(make_folder(path, err));
    snprintf(path, sizeof path, "%s/%s/config.json", j->path, name);
    LYC_TRY(write_text(path, j->model->configs[kind], err));
    snprintf(path, sizeof path, "%s/%s/%s.safetensors", j->path, name, is_text ? "model" : "diffusion_pytorch_model");
    return write_file(path, j, 1u << kind, err);
}

static lyc_status write_folder(const job *j, lyc_error *err)
{
    static const char *const classes[][2] = {
        {"\"diffusers\"", "\"UNet2DConditionModel\""},
        {"\"diffusers\"", "\"AutoencoderKL\""},
        {"\"transformers\"", "\"CLIPTextModel\""},
        {"\"transformers\"", "\"CLIPTextModelWithProjection\""},
    };
    char path[4096];
    lyc_strbuf index = {0};
    LYC_TRY(make_folder(j->path, err));
    lyc_strbuf_format(&index, "{\"_class_name\":\"%s\"", j->model->pipeline);
    for (int kind = 0; kind < LYC_COMPONENT_CONTROLNET; kind++) {
        if (j->model->configs[kind] != NULL) {
            LYC_TRY(write_component_folder(j, (lyc_component_kind)kind, err));
            lyc_strbuf_format(&index, ",\"%s\":[%s,%s]", lyc_component_kind_name((lyc_component_kind)kind),
                              classes[kind][0], classes[kind][1]);
        }
    }
    lyc_strbuf_append(&index, "}\n");
    snprintf(path, sizeof path, "%s/scheduler", j->path);
    LYC_TRY(make_folder(path, err));
    snprintf(path, sizeof path, "%s/scheduler/scheduler_config.json", j->path);
    LYC_TRY(write_text(path, j->model->scheduler, err));
    snprintf(path, sizeof path, "%s/model_index.json", j->path);
    const lyc_status status = write_text(path, lyc_strbuf_text(&index), err);
    lyc_strbuf_clear(&index);
    return status;
}

/* --- the command line --------------------------------------------------------------------------------------------- */

static lyc_status read_config(lyc_component_config *out, lyc_component_kind kind, const char *text, lyc_error *err)
{
    json_t *json = NULL;
    LYC_TRY(lyc_json_parse(&json, text, strlen(text), err));
    const lyc_status status = lyc_component_config_read(out, kind, json, "models.c", err);
    json_decref(json);
    return status;
}

static lyc_status run(job *j, lyc_error *err)
{
    for (int kind = 0; kind < LYC_COMPONENT_COUNT; kind++) {
        if (j->model->configs[kind] != NULL) {
            LYC_TRY(read_config(&j->configs[kind], (lyc_component_kind)kind, j->model->configs[kind], err));
        }
    }
    return j->folder ? write_folder(j, err) : write_file(j->path, j, ~0u, err);
}

static int usage(void)
{
    fprintf(stderr, "usage: make_checkpoint MODEL PATH [--folder] [--type f16|bf16|f32] [--seed N]\n");
    for (const bench_model *m = bench_models; m->name != NULL; m++) {
        fprintf(stderr, "    %-10s %s\n", m->name, m->help);
    }
    return 1;
}

static bool read_type(lyc_dtype *out, const char *text)
{
    static const struct {
        const char *name;
        lyc_dtype dtype;
    } types[] = {{"f16", LYC_F16}, {"bf16", LYC_BF16}, {"f32", LYC_F32}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, text) == 0) {
            *out = types[i].dtype;
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    job j = {.dtype = LYC_F16, .seed = 1};
    lyc_error err = {0};
    if (argc < 3 || (j.model = bench_model_find(argv[1])) == NULL) {
        return usage();
    }
    j.path = argv[2];
    for (int i = 3; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--folder") == 0) {
            j.folder = true;
        } else if (strcmp(argv[i], "--type") == 0 && read_type(&j.dtype, value)) {
            i++;
        } else if (strcmp(argv[i], "--seed") == 0 && value[0] != '\0') {
            j.seed = strtoull(value, NULL, 10);
            i++;
        } else {
            return usage();
        }
    }
    if (run(&j, &err) != LYC_OK) {
        fprintf(stderr, "make_checkpoint: %s\n", err.message);
        return 2;
    }
    return 0;
}
