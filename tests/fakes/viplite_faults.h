// What the fake VIPLite is told to do wrong, and what is alive in it: its second library, as the
// real one comes in two (libVIPuser.so beside libVIPlite.so, libVIPhal.so beside libNBGlinker.so).
#ifndef EDGEFACE_TESTS_FAKES_VIPLITE_FAULTS_H_
#define EDGEFACE_TESTS_FAKES_VIPLITE_FAULTS_H_

// Whether EDGEFACE_FAKE_VIP, words with spaces between, holds `word` or `word=…`, which goes, as a
// number, into `value` unless that is NULL.
int fake_vip_told(const char* word, long* value);

// Count one object more (1) or less (-1); returns how many are alive.
int fake_vip_alive(int change);

#endif  // EDGEFACE_TESTS_FAKES_VIPLITE_FAULTS_H_
