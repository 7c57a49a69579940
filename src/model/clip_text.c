/* clip_text.c - the text tower of CLIP: embeddings, causal transformer, final norm, projection
 *
 *     h_0 = token + position;  h = h + out_proj(attention(layer_norm1 h));  h = h + fc2(act(fc1(layer_norm2 h)))
 *
 * Sources: Radford et al. (arXiv 2103.00020); transformers models/clip/modeling_clip.py. Every linear layer has a bias
 * but text_projection. Padding is not masked: tokens behind the end are processed like others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/clip_text.h"

#include "graph/ops/matmul.h"

static lyc_value *embed(lyc_module *m, const lyc_clip_text_config *config, lyc_value *ids,
                        const lyc_clip_text_request *request)
{
    lyc_graph *g = m->graph;
    const int64_t tokens = ids->shape.dims[1];
    lyc_graph_enter(g, "embeddings");
    lyc_value *h = NULL;
    if (tokens > config->max_positions) {
        h = lyc_graph_fail(g, LYC_E_SHAPE, "%lld tokens, the model has %d positions", (long long)tokens,
                           config->max_positions);
    } else {
        h = lyc_module_embedding(m, "token_embedding", ids, config->vocab_size, config->hidden_size);
        if (request->added != NULL) {
            h = lyc_add(g, lyc_mul(g, h, request->keep), request->added);
        }
        lyc_graph_enter(g, "position_embedding");
        lyc_value *position = lyc_module_tensor(m, "weight", LYC_SHAPE(config->max_positions, config->hidden_size));
        h = lyc_add(g, h, lyc_slice(g, position, 0, 0, tokens));
        lyc_graph_leave(g);
    }
    lyc_graph_leave(g);
    return h;
}

static lyc_value *attend(lyc_module *m, const lyc_clip_text_config *config, lyc_value *x, lyc_value *norm)
{
    const int64_t c = config->hidden_size;
    lyc_graph_enter(m->graph, "self_attn");
    lyc_value *q = lyc_module_linear(m, "q_proj", norm, c, true, LYC_ACTIVATION_NONE, NULL);
    lyc_value *k = lyc_module_linear(m, "k_proj", norm, c, true, LYC_ACTIVATION_NONE, NULL);
    lyc_value *v = lyc_module_linear(m, "v_proj", norm, c, true, LYC_ACTIVATION_NONE, NULL);
    lyc_value *y = lyc_attention(m->graph, q, k, v, config->heads, 0.0f, true);
    y = lyc_module_linear(m, "out_proj", y, c, true, LYC_ACTIVATION_NONE, x);
    lyc_graph_leave(m->graph);
    return y;
}

static lyc_value *mlp(lyc_module *m, const lyc_clip_text_config *config, lyc_value *x, lyc_value *norm)
{
    const int activation = config->quick_gelu ? LYC_ACTIVATION_QUICK_GELU : LYC_ACTIVATION_GELU;
    lyc_graph_enter(m->graph, "mlp");
    lyc_value *h = lyc_module_linear(m, "fc1", norm, config->intermediate_size, true, activation, NULL);
    h = lyc_module_linear(m, "fc2", h, config->hidden_size, true, LYC_ACTIVATION_NONE, x);
    lyc_graph_leave(m->graph);
    return h;
}

static lyc_value *encode_layer(lyc_module *m, const lyc_clip_text_config *config, int index, lyc_value *h)
{
    lyc_graph_enter(m->graph, "encoder.layers.%d", index);
    h = attend(m, config, h, lyc_module_layer_norm(m, "layer_norm1", h, config->norm_eps));
    h = mlp(m, config, h, lyc_module_layer_norm(m, "layer_norm2", h, config->norm_eps));
    lyc_graph_leave(m->graph);
    return h;
}

/* The norm acts on each token, so it is applied to the end tokens alone. */
static lyc_value *pool(lyc_module *m, const lyc_clip_text_config *config, lyc_value *last, lyc_value *eos)
{
    if (eos == NULL) {
        return lyc_graph_fail(m->graph, LYC_E_ARGUMENT, "the pooled state needs the rows of the end tokens");
    }
    lyc_value *row = lyc_gather_rows(m->graph, last, eos);
    return lyc_module_layer_norm(m, "final_layer_norm", row, config->norm_eps);
}

lyc_clip_text_output lyc_clip_text(lyc_module *m, const lyc_clip_text_config *config, lyc_value *ids, lyc_value *eos,
                                   const lyc_clip_text_request *request)
{
    lyc_clip_text_output out = {NULL, NULL};
    lyc_graph *g = m->graph;
    if (lyc_value_failed(ids) || request->skip < 0 || request->skip > config->layers) {
        out.state = lyc_graph_fail(g, LYC_E_ARGUMENT, "the state %d layers before the last, there are %d layers",
                                   request->skip, config->layers);
        return out;
    }
    const int wanted = config->layers - request->skip;
    lyc_graph_enter(g, "text_model");
    lyc_value *h = embed(m, config, ids, request);
    out.state = h;
    for (int i = 0; i < (request->pooled ? config->layers : wanted); i++) {
        h = encode_layer(m, config, i, h);
        out.state = i + 1 == wanted ? h : out.state;
    }
    if (request->final_norm) {
        out.state = lyc_module_layer_norm(m, "final_layer_norm", out.state, config->norm_eps);
    }
    out.pooled = request->pooled ? pool(m, config, h, eos) : NULL;
    lyc_graph_leave(g);
    if (request->pooled && config->projection_dim > 0) {
        out.pooled = lyc_module_linear(m, "text_projection", out.pooled, config->projection_dim, false,
                                       LYC_ACTIVATION_NONE, NULL);
    }
    return out;
}

static int32_t eos_row(const int32_t *ids, int64_t tokens, int32_t eos_id)
{
    int32_t largest = 0;
    for (int32_t t = 0; t < tokens; t++) {
        if (ids[t] == eos_id) {
            return t;
        }
        largest = ids[t] > ids[largest] ? t : largest;
    }
    return largest;
}

void lyc_clip_eos_rows(int32_t *rows, const int32_t *ids, int64_t n, int64_t tokens, int32_t eos_id)
{
    for (int64_t i = 0; i < n; i++) {
        rows[i] = eos_row(ids + i * tokens, tokens, eos_id);
    }
}
