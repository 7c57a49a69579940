#ifndef LYCORIS_SEEDED_CLASS_H
#define LYCORIS_SEEDED_CLASS_H
int lyc_adapter_kind(int class);
#endif
