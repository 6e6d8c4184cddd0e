/* Faults in a simulated world, by a plan; each ends by itself, and all of them at the end. */
#pragma once
#include "plan.h"

struct faults;
struct faults *faults_create(struct world *w, const struct plan *p);
void faults_destroy(struct faults *f); /* NULL is accepted */
void faults_go(struct faults *f);
/* Everything is healed, started, resumed, fast and on time. */
void faults_end(struct faults *f);
