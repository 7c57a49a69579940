/* attention.c - softmax(scale q kT) v by heads, and its gradient
 *
 * One row or column of scores at a time, in the workspace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/attention.h"

#include <math.h>

#include "backend/cpu/reference/reference.h"

enum { Q, K, V, Y, LSE, D_Y };

/* One head of one sample. */
typedef struct head {
    const lyc_call *call;
    const lyc_attention_attr *attr;
    int64_t tq;
    int64_t tk;
    int64_t channels; /* of all heads */
    int64_t size;
    int64_t q_start; /* offset of the head's first element in q, y and d_y, and in k and v */
    int64_t k_start;
    int64_t lse_start;
    double scale;
    double *p;     /* workspace: probabilities of a row or column, */
    double *d;     /* the gradients by their scores, */
    double *delta; /* and delta of every query; the last two for the gradient */
} head;

size_t lyc_reference_attention_workspace(const lyc_problem *problem)
{
    return (size_t)problem->in[K].shape.dims[1] * sizeof(double);
}

size_t lyc_reference_attention_backward_workspace(const lyc_problem *problem)
{
    const size_t tq = (size_t)problem->in[Q].shape.dims[1];
    const size_t tk = (size_t)problem->in[K].shape.dims[1];
    return (2 * (tq > tk ? tq : tk) + tq) * sizeof(double);
}

static head head_at(const lyc_call *call, int64_t sample, int64_t index)
{
    const lyc_attention_attr *attr = call->problem->attr;
    const int64_t *q = lyc_ref_shape(call, Q)->dims;
    head h = {.call = call, .attr = attr, .tq = q[1], .tk = lyc_ref_shape(call, K)->dims[1], .channels = q[2]};
    h.size = h.channels / attr->heads;
    h.scale = lyc_attention_scale(attr, h.size);
    h.q_start = sample * h.tq * h.channels + index * h.size;
    h.k_start = sample * h.tk * h.channels + index * h.size;
    h.lse_start = (sample * attr->heads + index) * h.tq;
    h.p = call->workspace;
    h.d = h.p + (h.tq > h.tk ? h.tq : h.tk);
    h.delta = h.d + (h.tq > h.tk ? h.tq : h.tk);
    return h;
}

/* Keys that query i sees. */
static int64_t keys_of(const head *h, int64_t i)
{
    return h->attr->causal ? i + 1 : h->tk;
}

/* The product of row i of one input (q, y, d_y) and row j of another (k, v; or y at the same row). */
static double row_product(const head *h, int a, int64_t a_start, int64_t i, int b, int64_t b_start, int64_t j)
{
    double sum = 0.0;
    for (int64_t c = 0; c < h->size; c++) {
        sum += lyc_ref_get(h->call, a, a_start + i * h->channels + c) *
               lyc_ref_get(h->call, b, b_start + j * h->channels + c);
    }
    return sum;
}

static double score(const head *h, int64_t i, int64_t j)
{
    return h->scale * row_product(h, Q, h->q_start, i, K, h->k_start, j);
}

/* The sum over k < count of weights[k] and row `first + k` of an input, at one channel. */
static double weighted_sum(const head *h, const double *weights, int64_t count, int input, int64_t start, int64_t first,
                           int64_t channel)
{
    double sum = 0.0;
    for (int64_t k = 0; k < count; k++) {
        sum += weights[k] * lyc_ref_get(h->call, input, start + (first + k) * h->channels + channel);
    }
    return sum;
}

static void forward_row(const head *h, int64_t i)
{
    const int64_t keys = keys_of(h, i);
    double largest = (double)-INFINITY;
    double sum = 0.0;
    for (int64_t j = 0; j < keys; j++) {
        h->p[j] = score(h, i, j);
        largest = fmax(largest, h->p[j]);
    }
    for (int64_t j = 0; j < keys; j++) {
        h->p[j] = exp(h->p[j] - largest);
        sum += h->p[j];
    }
    for (int64_t c = 0; c < h->size; c++) {
        lyc_ref_set(h->call, 0, h->q_start + i * h->channels + c,
                    weighted_sum(h, h->p, keys, V, h->k_start, 0, c) / sum);
    }
    if (h->call->out[1] != NULL) {
        lyc_ref_set(h->call, 1, h->lse_start + i, largest + log(sum));
    }
}

lyc_status lyc_reference_attention(const lyc_call *call)
{
    const lyc_attention_attr *attr = call->problem->attr;
    for (int64_t sample = 0; sample < lyc_ref_shape(call, Q)->dims[0]; sample++) {
        for (int64_t index = 0; index < attr->heads; index++) {
            const head h = head_at(call, sample, index);
            for (int64_t i = 0; i < h.tq; i++) {
                forward_row(&h, i);
            }
        }
    }
    return LYC_OK;
}

/* p of query i and key j from the saved log-sum-exp, and the gradient by their score, both as element `at`. */
static void probability(const head *h, int64_t at, int64_t i, int64_t j)
{
    h->p[at] = exp(score(h, i, j) - lyc_ref_get(h->call, LSE, h->lse_start + i));
    h->d[at] = h->p[at] * (row_product(h, D_Y, h->q_start, i, V, h->k_start, j) - h->delta[i]);
}

static void backward_query(const head *h, int64_t i)
{
    for (int64_t j = 0; j < keys_of(h, i); j++) {
        probability(h, j, i, j);
    }
    for (int64_t c = 0; c < h->size; c++) {
        lyc_ref_set(h->call, 0, h->q_start + i * h->channels + c,
                    h->scale * weighted_sum(h, h->d, keys_of(h, i), K, h->k_start, 0, c));
    }
}

static void backward_key(const head *h, int64_t j)
{
    const int64_t first = h->attr->causal ? j : 0;
    const int64_t queries = h->tq - first;
    for (int64_t i = first; i < h->tq; i++) {
        probability(h, i - first, i, j);
    }
    for (int64_t c = 0; c < h->size; c++) {
        const int64_t at = h->k_start + j * h->channels + c;
        if (h->call->out[1] != NULL) {
            lyc_ref_set(h->call, 1, at, h->scale * weighted_sum(h, h->d, queries, Q, h->q_start, first, c));
        }
        if (h->call->out[2] != NULL) {
            lyc_ref_set(h->call, 2, at, weighted_sum(h, h->p, queries, D_Y, h->q_start, first, c));
        }
    }
}

lyc_status lyc_reference_attention_backward(const lyc_call *call)
{
    const lyc_attention_attr *attr = call->problem->attr;
    for (int64_t sample = 0; sample < lyc_ref_shape(call, Q)->dims[0]; sample++) {
        for (int64_t index = 0; index < attr->heads; index++) {
            const head h = head_at(call, sample, index);
            for (int64_t i = 0; i < h.tq; i++) {
                h.delta[i] = row_product(&h, D_Y, h.q_start, i, Y, h.q_start, i);
            }
            for (int64_t i = 0; i < h.tq; i++) {
                backward_query(&h, i);
            }
            for (int64_t j = 0; j < h.tk; j++) {
                backward_key(&h, j);
            }
        }
    }
    return LYC_OK;
}
