// The names of the records that Python fills, each said once: bindings.cpp makes classes of them, check.cpp reads them from a file.
//
// each_field(record, f) calls f(name, place within the record) for every field.
#pragma once
#include "engine.hpp"

namespace issun {

template <typename F>
void each_field(const Operator*, F f) {
  f("kind", &Operator::kind);
  f("row", &Operator::row);
  f("input", &Operator::input);
  f("other", &Operator::other);
  f("in_channels", &Operator::in_channels);
  f("in_rows", &Operator::in_rows);
  f("in_columns", &Operator::in_columns);
  f("out_channels", &Operator::out_channels);
  f("out_rows", &Operator::out_rows);
  f("out_columns", &Operator::out_columns);
  f("kernel_rows", &Operator::kernel_rows);
  f("kernel_columns", &Operator::kernel_columns);
  f("stride_rows", &Operator::stride_rows);
  f("stride_columns", &Operator::stride_columns);
  f("dilation_rows", &Operator::dilation_rows);
  f("dilation_columns", &Operator::dilation_columns);
  f("pad_top", &Operator::pad_top);
  f("pad_left", &Operator::pad_left);
  f("parts", &Operator::parts);
  f("act", &Operator::act);
  f("slope", &Operator::slope);
  f("trained", &Operator::trained);
  f("kernel", &Operator::kernel);
  f("kernel_size", &Operator::kernel_size);
  f("bias", &Operator::bias);
  f("bias_size", &Operator::bias_size);
  f("mean", &Operator::mean);
  f("variance", &Operator::variance);
  f("l1", &Operator::l1);
  f("l2", &Operator::l2);
  f("rate", &Operator::rate);
  f("threshold", &Operator::threshold);
  f("spatial", &Operator::spatial);
  f("sets", &Operator::sets);
}

template <typename F>
void each_field(const Augment*, F f) {
  f("recolours", &Augment::recolours);
  f("moves", &Augment::moves);
  f("bilinear", &Augment::bilinear);
  f("mixes", &Augment::mixes);
  f("bend", &Augment::bend);
  f("edge", &Augment::edge);
  f("fill", &Augment::fill);
}

template <typename F>
void each_field(const Network*, F f) {
  f("operators", &Network::operators);
  f("height", &Network::height);
  f("width", &Network::width);
  f("channels", &Network::channels);
  f("classes", &Network::classes);
  f("factor", &Network::factor);
  f("offset", &Network::offset);
  f("weights", &Network::weights);
  f("batch", &Network::batch);
  f("augment", &Network::augment);
  f("takes_values", &Network::takes_values);
  f("macs_before", &Network::macs_before);
  f("channels_last", &Network::channels_last);
}

template <typename F>
void each_field(const LossSettings*, F f) {
  f("smoothing", &LossSettings::smoothing);
  f("class_weights", &LossSettings::class_weights);
  f("share", &LossSettings::share);
  f("temperature", &LossSettings::temperature);
}

template <typename F>
void each_field(const OptimizerSettings*, F f) {
  f("kind", &OptimizerSettings::kind);
  f("momentum", &OptimizerSettings::momentum);
  f("beta_1", &OptimizerSettings::beta_1);
  f("beta_2", &OptimizerSettings::beta_2);
  f("rho", &OptimizerSettings::rho);
  f("epsilon", &OptimizerSettings::epsilon);
  f("nesterov", &OptimizerSettings::nesterov);
  f("weight_decay", &OptimizerSettings::weight_decay);
  f("clip_norm", &OptimizerSettings::clip_norm);
  f("average", &OptimizerSettings::average);
}

}  // namespace issun
