package org.mobilevitedge.core

import java.io.Closeable

/** The best classes of one photo, best first; [inferenceNs] is the model's own time. */
data class Answer(val classes: List<ClassScore>, val inferenceNs: Long)

/** A model that has passed its self-test on this device: there is none of one that has not. */
class Recognizer private constructor(private val bundle: Bundle, val classifier: Classifier) : Closeable {
    private val manifest = bundle.manifest
    private val preprocessor = Preprocessor(manifest.model, manifest.input)

    /** The [count] best classes for an upright image of any size. */
    fun recognize(image: Pixels, count: Int): Answer {
        val input = preprocessor.tensor(preprocessor.resize(image))
        val start = System.nanoTime()
        val outputs = classifier.run(input)
        val elapsed = System.nanoTime() - start
        return Answer(TopClasses.of(outputs, bundle.labels, manifest.output.scores, count), elapsed)
    }

    override fun close() = classifier.close()

    companion object {
        /**
         * Load a model and run its self-test.
         *
         * @throws BundleException if it cannot be loaded, or does not answer as when it was exported.
         */
        fun open(bundle: Bundle, load: (Bundle) -> Classifier): Recognizer {
            if (bundle.manifest.output.scores == Scores.FEATURES) {
                throw BundleException("the model gives features, and this app shows classes: it can only be measured")
            }
            val classifier = load(bundle)
            var passed = false
            try {
                val outcome = SelfTest.run(bundle.manifest, classifier)
                if (!outcome.passed) throw BundleException("${outcome.reason}; no predictions are shown")
                passed = true
                return Recognizer(bundle, classifier)
            } finally {
                if (!passed) classifier.close()
            }
        }
    }
}
