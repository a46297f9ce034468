package org.mobilevitedge.core

import java.io.Closeable

/** Probabilities of all classes for one image; [inferenceNs] is the model's own time. */
class Answer(val probabilities: DoubleArray, val inferenceNs: Long)

/** A model that has passed its self-test on this device: there is none of one that has not. */
class Recognizer private constructor(private val bundle: Bundle, private val classifier: Classifier) : Closeable {
    private val manifest = bundle.manifest
    private val preprocessor = Preprocessor(manifest.model, manifest.input)

    /**
     * What the model says of an upright image of any size.
     *
     * @throws BundleException if the runtime fails, or answers with other than finite numbers.
     */
    fun recognize(image: Pixels): Answer {
        val input = preprocessor.tensor(preprocessor.resize(image))
        val start = System.nanoTime()
        val outputs = classifier.run(input)
        val elapsed = System.nanoTime() - start
        if (outputs.size != manifest.model.outputs || outputs.any { !it.isFinite() }) {
            throw BundleException("the model's answer to this image is no list of ${manifest.model.outputs} finite numbers: export the bundle again")
        }
        return Answer(TopClasses.probabilities(outputs, manifest.output.scores), elapsed)
    }

    /** The [count] best classes, best first. */
    fun best(probabilities: DoubleArray, count: Int): List<ClassScore> = TopClasses.of(probabilities, bundle.labels, count)

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
