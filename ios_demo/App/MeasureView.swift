import MobileViTCoreML
import MobileViTKit
import SwiftUI

/// Measure: the chosen model on chosen compute units.
struct MeasureView: View {
    @ObservedObject var library: Library
    @ObservedObject var model: BenchModel
    @State private var units = Set(ComputeUnit.allCases)
    @State private var plan = BenchPlan()
    @State private var message = ""

    var body: some View {
        NavigationStack {
            List {
                Section("Compute units") {
                    ForEach(ComputeUnit.allCases, id: \.self) { unit in
                        Toggle(unit.label, isOn: chosen(unit))
                    }
                }
                Section("Plan") {
                    Stepper("Warm-up: \(plan.warmUp)", value: $plan.warmUp, in: 1...1000)
                    Stepper("Runs: \(plan.runs)", value: $plan.runs, in: 10...10_000, step: 10)
                    Stepper("Rounds: \(plan.rounds)", value: $plan.rounds, in: 1...20)
                    Stepper("Cool-down: \(plan.coolDown) s", value: $plan.coolDown, in: 0...120)
                }
                Section("Result") {
                    if model.running {
                        Button("Stop") { model.stop() }
                        SparklineView(samples: model.samples)
                    } else {
                        Button("Start") { Task { await start() } }
                            .disabled(units.isEmpty || library.model == nil)
                    }
                    if !model.status.isEmpty { Text(model.status) }
                    ForEach(model.lines) { BenchLineView(line: $0) }
                    ForEach(model.notes, id: \.self) { Text($0).font(.footnote) }
                    if !message.isEmpty { Text(message) }
                    if let report = model.report { ShareLink("Share the report", item: report) }
                }
            }
            .navigationTitle("Measure")
        }
        .onReceive(NotificationCenter.default.publisher(for: UIApplication.didReceiveMemoryWarningNotification)) { _ in
            model.memoryWarning()
        }
    }

    private func chosen(_ unit: ComputeUnit) -> Binding<Bool> {
        Binding(
            get: { units.contains(unit) },
            set: { if $0 { units.insert(unit) } else { units.remove(unit) } })
    }

    private func start() async {
        guard let bundle = library.model else { return }
        message = ""
        do {
            let name = "latency-\(Int(Date().timeIntervalSince1970))"
            let ordered = ComputeUnit.allCases.filter(units.contains)
            try await model.measure([bundle], on: ordered, plan: plan, name: name, cache: library.cache)
        } catch {
            message = error.localizedDescription
        }
    }
}
