/* tensor_file.c - small safetensors files from a text
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/tensor_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lycoris/safetensors.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

static lyc_dtype dtype_named(const char *name)
{
    for (int i = 0; i < LYC_DTYPE_COUNT; i++) {
        if (strcmp(lyc_dtype_name((lyc_dtype)i), name) == 0) {
            return (lyc_dtype)i;
        }
    }
    fail_msg("no type %s", name);
    return LYC_F32;
}

/* "name:F32:2x3[=value]": every element has the value, 0.5 when none is told. */
typedef struct spec {
    char name[256];
    lyc_dtype dtype;
    lyc_shape shape;
    double value;
} spec;

static void parse_spec(spec *out, const char *text)
{
    char dtype[16], shape[64] = "", value[32] = "0.5";
    const int found = sscanf(text, "%255[^:]:%15[^:]:%63[^=]=%31s", out->name, dtype, shape, value);
    assert_true(found >= 3);
    out->dtype = dtype_named(dtype);
    out->shape = (lyc_shape){0};
    for (char *c = shape; strcmp(shape, "-") != 0 && *c != '\0';) {
        out->shape.dims[out->shape.rank++] = strtoll(c, &c, 10);
        c += *c == 'x';
    }
    out->value = strcmp(value, "nan") == 0 ? (double)NAN : strtod(value, NULL);
}

void test_tensor_file(const char *path, const char *text, const char *metadata)
{
    lyc_error err = {0};
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *writer = NULL;
    spec *specs = calloc(64, sizeof *specs);
    size_t count = 0;
    char copy[4096];
    strncpy(copy, text, sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        parse_spec(&specs[count], word);
        assert_int_equal(
            lyc_safetensors_plan_add(plan, specs[count].name, specs[count].dtype, &specs[count].shape, &err), LYC_OK);
        count++;
    }
    if (metadata != NULL) {
        assert_int_equal(lyc_safetensors_plan_metadata(plan, "lora_adapter_metadata", metadata, &err), LYC_OK);
    }
    const lyc_safetensors_writer_options force = {.force = true};
    assert_int_equal(lyc_safetensors_writer_open(&writer, plan, path, &force, &err), LYC_OK);
    for (size_t i = 0; i < count; i++) {
        size_t bytes;
        assert_int_equal(lyc_shape_bytes(&bytes, &specs[i].shape, specs[i].dtype, &err), LYC_OK);
        char *data = malloc(bytes + 1);
        const size_t element = (size_t)lyc_dtype_bits(specs[i].dtype) / 8;
        for (size_t k = 0; k < bytes / element; k++) {
            lyc_dtype_store(specs[i].dtype, data + k * element, specs[i].value);
        }
        assert_int_equal(lyc_safetensors_writer_put(writer, specs[i].name, data, bytes, &err), LYC_OK);
        free(data);
    }
    assert_int_equal(lyc_safetensors_writer_commit(writer, &err), LYC_OK);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
    free(specs);
}
