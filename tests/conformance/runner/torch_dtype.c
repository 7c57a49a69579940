/* torch_dtype.c - torch's names of element types
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "torch_dtype.h"

#include <string.h>

static const struct {
    const char *name;
    lyc_dtype dtype;
} names[] = {
    {"bool", LYC_BOOL},
    {"uint8", LYC_U8},
    {"int8", LYC_I8},
    {"int16", LYC_I16},
    {"uint16", LYC_U16},
    {"int32", LYC_I32},
    {"uint32", LYC_U32},
    {"int64", LYC_I64},
    {"uint64", LYC_U64},
    {"float16", LYC_F16},
    {"bfloat16", LYC_BF16},
    {"float32", LYC_F32},
    {"float64", LYC_F64},
    {"complex64", LYC_C64},
    {"float8_e4m3fn", LYC_F8_E4M3},
    {"float8_e5m2", LYC_F8_E5M2},
    {"float8_e4m3fnuz", LYC_F8_E4M3FNUZ},
    {"float8_e5m2fnuz", LYC_F8_E5M2FNUZ},
    {"float8_e8m0fnu", LYC_F8_E8M0},
};

bool lyc_torch_dtype(lyc_dtype *dtype, const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i].name) == length && memcmp(names[i].name, name, length) == 0) {
            *dtype = names[i].dtype;
            return true;
        }
    }
    return false;
}
