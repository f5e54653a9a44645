from .allocation import Allocation, allocate
from .budget_curves import BudgetCurve, budget_curve
from .campaign import CampaignPlan, plan_campaign
from .campaign_results import CampaignResult, evaluate_campaign
from .curves import UpliftCurve, calibrate_by_bins, compare_curves, uplift_curve, worth_of_choice
from .discounts import DiscountChoice, PriceResponse, choose_discounts, fit_price_response
from .learned_offers import LearnedOffers, learn_from_test
from .learners import DRLearner, SLearner, TLearner
from .offer_log import OfferLog, read_file_test, read_shop_test
from .plan_files import publish_plan, read_plan
from .planning import PlanConfig, plan_from_scores, plan_from_test
from .stacking import StackedLearner, default_learner
from .tested_plan import TestedPlan
from .trial import Trial, check_balance, read_trial
from .uplift import UpliftModel, UpliftScores, cross_fit_uplift, fit_uplift

__all__ = [
    "Allocation",
    "BudgetCurve",
    "CampaignPlan",
    "CampaignResult",
    "DRLearner",
    "DiscountChoice",
    "LearnedOffers",
    "OfferLog",
    "PlanConfig",
    "PriceResponse",
    "SLearner",
    "StackedLearner",
    "TLearner",
    "TestedPlan",
    "Trial",
    "UpliftCurve",
    "UpliftModel",
    "UpliftScores",
    "allocate",
    "budget_curve",
    "calibrate_by_bins",
    "check_balance",
    "choose_discounts",
    "compare_curves",
    "cross_fit_uplift",
    "default_learner",
    "evaluate_campaign",
    "fit_price_response",
    "fit_uplift",
    "learn_from_test",
    "plan_campaign",
    "plan_from_scores",
    "plan_from_test",
    "publish_plan",
    "read_file_test",
    "read_plan",
    "read_shop_test",
    "read_trial",
    "uplift_curve",
    "worth_of_choice",
]
