/* fuzz_model_config.c - config.json and scheduler_config.json: an error in words, or numbers from which tensors follow
 *
 * The first byte says which configuration it is; the rest is the file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/string.h"
#include "checkpoint/component_make.h"
#include "checkpoint/config_read.h"
#include "tensor/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_TENSORS = 5000 }; /* that are looked at: configurations may ask for millions */

static void require(bool promise)
{
    if (!promise) {
        __builtin_trap();
    }
}

static void require_message(const lyc_error *err)
{
    require(err->message[0] != '\0');
    require(lyc_utf8_valid_prefix(err->message, strlen(err->message)) == strlen(err->message));
}

/* lyc_tensor_visit: a tensor has a size, and every layout has a key for it or says that it has none. */
static lyc_status look(void *context, const char *name, const lyc_shape *shape, lyc_error *err)
{
    int *left = context;
    size_t bytes;
    require(name[0] != '\0' && shape->rank >= 1);
    require(lyc_shape_bytes(&bytes, shape, LYC_F32, NULL) == LYC_OK && bytes > 0);
    return --*left > 0 ? LYC_OK : lyc_fail(err, LYC_E_CANCELLED, "enough");
}

static void check_component(lyc_component_kind kind, const json_t *json)
{
    static const char *const prefixes[] = {"model.diffusion_model.", "first_stage_model.",
                                           "cond_stage_model.transformer.", "conditioner.embedders.1.model.",
                                           "control_model."};
    lyc_component_config config;
    lyc_error err = {0};
    int left = MOST_TENSORS;
    lyc_status status = lyc_component_config_read(&config, kind, json, "config.json", &err);
    if (status == LYC_OK) {
        status = lyc_layout_tensors(lyc_layout_of_prefix(kind, prefixes[kind]), &config, look, &left, &err);
    }
    if (status != LYC_OK) {
        require_message(&err);
    }
    if (kind == LYC_COMPONENT_UNET && lyc_unet_config_check(&config.unet, &err) != LYC_OK) {
        require_message(&err);
    }
}

static void check_scheduler(const json_t *json)
{
    lyc_arena arena = {0};
    lyc_scheduler_config config;
    lyc_error err = {0};
    lyc_scheduler_config_default(&config);
    if (lyc_scheduler_config_apply(&config, &arena, json, "scheduler_config.json", &err) != LYC_OK) {
        require_message(&err);
    } else {
        require(config.train_timesteps >= 1 && config.beta_start <= config.beta_end);
        require(memchr(config.class_name, '\0', sizeof config.class_name) != NULL);
    }
    lyc_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = NULL;
    lyc_error err = {0};
    if (size == 0) {
        return 0;
    }
    if (lyc_json_parse(&json, (const char *)data + 1, size - 1, &err) != LYC_OK) {
        require_message(&err);
        return 0;
    }
    const int which = data[0] % (LYC_COMPONENT_COUNT + 1);
    if (which == LYC_COMPONENT_COUNT) {
        check_scheduler(json);
    } else {
        check_component((lyc_component_kind)which, json);
    }
    json_decref(json);
    return 0;
}
