// SPDX-License-Identifier: BSL-1.0
#include "integration/scene.hpp"

template class cowire::Server<Lines, Script<>, ManualClock>;
template class Scene<OverMemory>;
template class Scene<OverTcp>;
