#ifndef LYCORIS_FINE_H
#define LYCORIS_FINE_H
int lyc_adapter_kind(int kind);
#endif
