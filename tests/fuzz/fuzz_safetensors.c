/* fuzz_safetensors.c - the header reader: whatever comes in, an error with an offset or a file whose every view is
 * inside
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/string.h"
#include "lycoris/safetensors.h"
#include "tensor/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink; /* reads are not left out */

static void require(bool promise)
{
    if (!promise) {
        __builtin_trap();
    }
}

static void check_tensor(const lyc_safetensors *file, size_t index, const uint8_t *data, size_t size)
{
    const lyc_tensor_view t = lyc_safetensors_tensor(file, index);
    lyc_tensor_view found = {0};
    size_t bytes = SIZE_MAX;
    require(t.file_offset <= size && t.size_bytes <= size - t.file_offset && t.data == data + t.file_offset);
    require(lyc_shape_bytes(&bytes, &t.shape, t.dtype, NULL) == LYC_OK && bytes == t.size_bytes);
    require(lyc_safetensors_find(&found, file, t.name) && found.data == t.data && found.name == t.name);
    if (t.size_bytes > 0) {
        sink = ((const unsigned char *)t.data)[0];
        sink = ((const unsigned char *)t.data)[t.size_bytes - 1];
    }
    require(lyc_utf8_valid_prefix(t.name, strlen(t.name)) == strlen(t.name));
}

static void check_metadata(const lyc_safetensors *file, size_t index)
{
    const lyc_metadata_entry m = lyc_safetensors_metadata_at(file, index);
    require(m.key[m.key_length] == '\0' && m.value[m.value_length] == '\0');
    require(lyc_utf8_valid_prefix(m.key, m.key_length) == m.key_length);
    require(lyc_utf8_valid_prefix(m.value, m.value_length) == m.value_length);
    if (strlen(m.key) == m.key_length) {
        require(lyc_safetensors_metadata(file, m.key) == m.value);
    }
}

static void check_file(const uint8_t *data, size_t size, bool lenient)
{
    const lyc_safetensors_options options = {.lenient = lenient};
    lyc_safetensors *file = NULL;
    lyc_error err = {0};
    const lyc_status status = lyc_safetensors_open_memory(&file, data, size, &options, &err);
    if (status != LYC_OK) {
        require(status == LYC_E_FORMAT && file == NULL && strstr(err.message, "at byte ") != NULL);
        require(lyc_utf8_valid_prefix(err.message, strlen(err.message)) == strlen(err.message));
        return;
    }
    uint64_t end = 8 + lyc_safetensors_header_bytes(file);
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view t = lyc_safetensors_tensor(file, i);
        require(t.file_offset == end); /* file order, without gaps */
        end += t.size_bytes;
        check_tensor(file, i, data, size);
    }
    require(end + lyc_safetensors_trailing_bytes(file) == size);
    require(lenient || lyc_safetensors_trailing_bytes(file) == 0);
    for (size_t i = 0; i < lyc_safetensors_metadata_count(file); i++) {
        check_metadata(file, i);
    }
    lyc_safetensors_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_file(data, size, false);
    check_file(data, size, true);
    return 0;
}
