/* analytic_network.c - the network that whole runs of samplers are tried with
 *
 * As a case it is the matrix alone, which has to be one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "analytic_network.h"

#include <math.h>

#include "kind.h"
#include "tensor/dtype.h"

static lyc_status read(lyc_analytic_network *network, const lyc_safetensors *file, lyc_error *err)
{
    lyc_tensor_view view;
    if (!lyc_safetensors_find(&view, file, "mixing_matrix") || view.shape.rank != 2 ||
        view.shape.dims[0] != view.shape.dims[1] || view.shape.dims[0] > LYC_ANALYTIC_CHANNELS) {
        return lyc_fail(err, LYC_E_FORMAT, "no square mixing_matrix");
    }
    network->channels = (int)view.shape.dims[0];
    const size_t n = (size_t)(network->channels * network->channels);
    return lyc_dtype_convert(network->mixing, LYC_F32, view.data, view.dtype, n, err);
}

lyc_status lyc_analytic_network_open(lyc_analytic_network *network, const lyc_case *c, lyc_error *err)
{
    char path[4096];
    lyc_safetensors *file;
    LYC_TRY(lyc_case_path(path, sizeof path, c, "analytic_network.safetensors", err));
    LYC_TRY(lyc_safetensors_open(&file, path, NULL, err));
    const lyc_status status = read(network, file, err);
    lyc_safetensors_close(file);
    return status;
}

void lyc_analytic_network_run(const lyc_analytic_network *network, float *out, const float *x, size_t n, size_t pixels,
                              double timestep)
{
    const size_t c = (size_t)network->channels;
    for (size_t i = 0; i < n * c * pixels; i++) {
        const size_t image = i / (c * pixels);
        const size_t channel = i / pixels % c;
        double sum = 0;
        for (size_t k = 0; k < c; k++) {
            sum += (double)network->mixing[channel * c + k] * (double)x[(image * c + k) * pixels + i % pixels];
        }
        out[i] = (float)(tanh(sum) * (0.9 + 0.1 * timestep / 1000) + 0.05 * (double)x[i]);
    }
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    lyc_analytic_network network;
    const lyc_safetensors *file;
    LYC_TRY(lyc_case_open(&file, c, err));
    LYC_TRY(read(&network, file, err));
    lyc_result_count(result);
    return LYC_OK;
}

const lyc_kind lyc_kind_analytic_network = {
    .name = "analytic_network", .folder = "diffusion", .prefix = "analytic_network", .run = run};
