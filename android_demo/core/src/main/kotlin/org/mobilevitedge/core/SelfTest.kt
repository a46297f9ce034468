package org.mobilevitedge.core

import kotlin.math.abs

/** Whether a model on this device answers as it did when it was made. */
object SelfTest {
    /** [passed], and why not: [reason] is what the app shows in place of predictions. */
    data class Outcome(val passed: Boolean, val reason: String)

    /** The golden image at the model's size. */
    fun image(manifest: Manifest): Pixels =
        Pixels(manifest.golden.columns, manifest.golden.rows, manifest.golden.pixels)
            .enlarge(manifest.model.width, manifest.model.height)

    /** Run the bundle's golden image. */
    fun run(manifest: Manifest, classifier: Classifier): Outcome {
        val golden = manifest.golden
        val outputs = classifier.run(Preprocessor(manifest.model, manifest.input).tensor(image(manifest)))
        if (outputs.size != manifest.output.count) {
            return Outcome(false, "the model gives ${outputs.size} outputs, its manifest says ${manifest.output.count}")
        }
        val worst = golden.expected.maxOf { abs(outputs[it.index] - it.value) }
        val tolerance = tolerance(manifest, classifier)
        // NaN compares false: it must not pass.
        if (!(worst <= tolerance)) {
            return Outcome(false, "the self-test differs by $worst on this device, allowed is $tolerance")
        }
        // Those of a head are some of many.
        if (manifest.head != null) return Outcome(true, "")
        // The expected ones are the best: no other class may stand above the last of them.
        val chosen = golden.expected.map { it.index }.toSet()
        val last = golden.expected.minOf { it.value }
        val above = outputs.indices.firstOrNull { it !in chosen && outputs[it] > last + tolerance }
        if (above != null) return Outcome(false, "the self-test finds class $above on this device, which is not among the best")
        return Outcome(true, "")
    }

    /**
     * An NPU computes in fp16, or rounds to other integers: as far as the export allows its emulated answer to differ.
     * Of labels it does not: the self-test has the pixels of which the model is surest.
     */
    private fun tolerance(manifest: Manifest, classifier: Classifier): Double {
        val golden = manifest.golden
        if (classifier.unit != Classifier.NPU || manifest.output.isWhole) return golden.tolerance
        return maxOf(golden.tolerance, NPU_SHARE * golden.expected.maxOf { abs(it.value) })
    }

    /** Of the largest output. */
    private const val NPU_SHARE = 0.1
}
