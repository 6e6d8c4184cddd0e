#include "planted.h"

enum conflict_bug conflict_planted = CONFLICT_BUG_NONE;
