/* tensor_file.h - small safetensors files from a text
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_SUPPORT_TENSOR_FILE_H
#define TESTS_SUPPORT_TENSOR_FILE_H

/* Writes a file of the tensors in a text, separated by blanks: "name:F32:2x3[=value]"; every element has the value, 0.5
 * when none is told; a shape of "-" is a scalar. metadata NULL, or the text of lora_adapter_metadata. Replaces a file
 * that is there. */
void test_tensor_file(const char *path, const char *text, const char *metadata);

#endif
